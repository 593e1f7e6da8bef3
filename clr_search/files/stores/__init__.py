"""Object stores as places of pictures: addresses, listing, and reading within bounds.

`address` has the one type that the rest of the package sees, `ObjectPath`; everything else here is
imported where an object is really looked at, since it needs the extra `stores`.
"""
