"""Files: what is saved and loaded, and the formats that are read."""
