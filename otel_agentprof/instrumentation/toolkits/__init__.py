"""Tools that agents use, patched as clients are: vector stores, search, browsers. One file of data each."""

from __future__ import annotations

from typing import Final

# The short name of a library, which is also its file here, and the module whose import makes it needed.
MODULES: Final[dict[str, str]] = {
    "chromadb": "chromadb",
    "qdrant": "qdrant_client",
    "pinecone": "pinecone",
    "weaviate": "weaviate",
    "milvus": "pymilvus",
    "lancedb": "lancedb",
    "ddgs": "ddgs",
    "tavily": "tavily",
    "exa": "exa_py",
    "firecrawl": "firecrawl",
    "playwright": "playwright",
    "browser_use": "browser_use",
    "subprocess": "subprocess",
}
