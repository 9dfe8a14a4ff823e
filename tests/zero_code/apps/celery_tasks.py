"""Agents in Celery's workers; as a program it asks two of them. The broker is a folder."""

import os
import pathlib
import time

import celery
import openai
from opentelemetry import trace

import otel_agentprof as ap

WORKERS = 2
folder = pathlib.Path(os.environ["BROKER_FOLDER"])
places = {name: str(folder) for name in ("data_folder_in", "data_folder_out", "control_folder")}
app = celery.Celery("agents", broker="filesystem://")
app.conf.broker_transport_options = places
app.conf.task_ignore_result = True
client = openai.OpenAI()


@app.task(name="ask")
def ask() -> None:
    (folder / f"{os.getpid()}.here").touch()
    while len(list(folder.glob("*.here"))) < WORKERS:  # each worker process takes one
        time.sleep(0.01)
    with ap.agent("answerer"):
        trace.get_current_span().set_attribute("pid", os.getpid())
        client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}])


if __name__ == "__main__":
    with ap.agent("planner"):
        for _ in range(WORKERS):
            ask.apply_async()
