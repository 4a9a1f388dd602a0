"""What consensus costs on this machine, with its physical limit measured in the same run."""
