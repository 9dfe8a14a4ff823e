"""An agent behind FastAPI, with nothing of OpenTelemetry in it."""

import os

import fastapi
import openai

app = fastapi.FastAPI()
client = openai.AsyncOpenAI()


@app.get("/ask")
async def ask():
    said = await client.chat.completions.create(
        model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}]
    )
    return {"pid": os.getpid(), "tokens": said.usage.total_tokens}


@app.get("/ready")
def ready():
    return {}
