"""An agent behind Flask, with nothing of OpenTelemetry in it."""

import os

import flask
import openai

app = flask.Flask(__name__)
client = openai.OpenAI()


@app.get("/ask")
def ask():
    said = client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}])
    return {"pid": os.getpid(), "tokens": said.usage.total_tokens}


@app.get("/ready")
def ready():
    return {}
