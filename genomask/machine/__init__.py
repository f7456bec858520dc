"""What this machine gives a process: cores, memory, units of the processor."""
