"""The stacks, one file each, in plain functions over the CDK's constructs."""
