"""Langfuse's own client of OpenAI."""

import os

import stage

os.environ["LANGFUSE_PUBLIC_KEY"] = os.environ["LANGFUSE_SECRET_KEY"] = stage.KEY
os.environ["LANGFUSE_HOST"] = stage.URL
import langfuse  # the settings above come first: it reads them when it is imported
import openai_chat
from langfuse.openai import OpenAI

langfuse.Langfuse(tracer_provider=stage.tracing())
openai_chat.OpenAI = OpenAI
openai_chat.run()
stage.finish("langfuse", "openai")
