"""Programs that are broken as people break them: one edit, or a few, of a whole net that works.

The nets stand in nets/; each has ``model()`` and ``inputs()``, and ``loss`` and ``targets()`` that fit. The edits stand in
tables (shapes.py, ...), and what graphtorch says of each program in messages/.
"""
