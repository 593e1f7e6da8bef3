"""The command line: it parses arguments and prints results, and the other packages do the work.

`main` lists the names of the commands. Each command lives in the module of its group, which is
imported only when the command runs, so that `--help` stays fast.
"""
