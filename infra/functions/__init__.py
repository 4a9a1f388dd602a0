"""What runs in Lambda: standard library and boto3 alone, one small module a function."""
