"""What `monitor doctor` looks at, one subject a file: what an installation stands on."""
