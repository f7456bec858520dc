"""Results for people: tables for the terminal, pictures, and one self-contained page."""
