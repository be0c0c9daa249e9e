#!/usr/bin/env python3
"""A server on the `mcp` package, of version 1 or 2, over streamable HTTP: units_server.py PORT."""
import sys

try:
    from mcp.server import MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server

port = int(sys.argv[1])
server = Server("units")


@server.tool()
def convert_length(value: float, unit: str = "mile") -> str:
    """Converts a length into metres.

    Args: value in the unit mile, foot or inch."""
    metres = {"mile": 1609.344, "foot": 0.3048, "inch": 0.0254}
    if unit not in metres:
        raise ValueError(f"no such unit: {unit}")
    return f"{value * metres[unit]:g} m"


@server.tool()
def length_of_day() -> int:
    """Seconds of a day."""
    return 86400


if hasattr(server, "settings") and hasattr(server.settings, "port"):
    server.settings.port = port
    server.run(transport="streamable-http")
else:
    server.run(transport="streamable-http", host="127.0.0.1", port=port)
