"""Where records go: one sink per file."""

from rheostax.record.sinks.clu import Clu
from rheostax.record.sinks.csv_file import Csv
from rheostax.record.sinks.json_lines import JsonLines
from rheostax.record.sinks.mlflow import MLflow
from rheostax.record.sinks.sink import Record, Sink
from rheostax.record.sinks.tensorboard import TensorBoard
from rheostax.record.sinks.terminal import Terminal
from rheostax.record.sinks.weights_and_biases import WandB

__all__ = ["Clu", "Csv", "JsonLines", "MLflow", "Record", "Sink", "TensorBoard", "Terminal", "WandB"]
