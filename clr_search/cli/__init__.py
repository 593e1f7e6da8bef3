"""The command line: parsing and printing; all work is done by the stages.

`main` holds the commands' names, and each command lives in the module of its group, which is
imported only when the command is asked for.
"""
