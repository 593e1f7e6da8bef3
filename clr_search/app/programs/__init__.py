"""What programs may ask of the app: named endpoints for scripts, and tools for agents.

They take ids of the collection, tokens of uploads, and pictures as bytes; no address is fetched and
no path is opened that a program names. The guard and the logins of the page stand before them.
"""
