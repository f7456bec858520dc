"""What people see while and after a command works: words, bars, log lines."""
