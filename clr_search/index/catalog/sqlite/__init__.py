"""The SQLite file of a catalogue: its connection, its tables, and migrations of older versions."""
