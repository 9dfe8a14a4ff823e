"""An MCP server in a process of its own: the two tools and the one that fails. Keeps its own spans."""

import stage

try:
    from mcp.server import MCPServer
except ImportError:  # 1.x
    from mcp.server.fastmcp import FastMCP as MCPServer

stage.profiled(stage.tracing())
server = MCPServer("city")
for tool in (stage.weather, stage.population, stage.lottery):
    server.tool()(tool)
server.run()
stage.finish("mcp")
