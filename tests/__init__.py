"""The tests, one folder for each kind of evidence."""
