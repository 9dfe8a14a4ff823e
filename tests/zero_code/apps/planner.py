"""An agent that asks another one over HTTP: planner.py URL."""

import sys

import httpx

import otel_agentprof as ap

with ap.agent("planner"):
    httpx.get(sys.argv[1], timeout=60, trust_env=False).raise_for_status()
