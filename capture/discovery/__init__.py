"""Finding the network's cameras: WS-Discovery asks who is there, ONVIF asks each of them what it streams.

Whatever answers is a stranger: `screening` looks at every byte first, `addresses` lets nobody name another host, and
`interview` gives each a few seconds, all at the same time.
"""
