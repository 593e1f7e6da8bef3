"""The SQLite file of a catalogue: its connection, its tables, and the way from older versions."""
