"""The machine a process runs on: cores, memory, processor features."""
