"""What a learning rate did, and why: decisions, run directories, and the runs of other tools."""

from rheostax.record.journal import Decision, decisions, decisions_of
from rheostax.record.metric_writer import MetricWriter
from rheostax.record.read import RunLog, Series, read_run
from rheostax.record.recorder import Recorder
from rheostax.record.run_directory import RunDirectory
from rheostax.record.sinks import Clu, Csv, JsonLines, MLflow, Sink, TensorBoard, Terminal, WandB
from rheostax.record.snapshot import snapshot
from rheostax.record.snapshots import Snapshots

__all__ = [
    "Clu",
    "Csv",
    "Decision",
    "JsonLines",
    "MLflow",
    "MetricWriter",
    "Recorder",
    "RunDirectory",
    "RunLog",
    "Series",
    "Sink",
    "Snapshots",
    "TensorBoard",
    "Terminal",
    "WandB",
    "decisions",
    "decisions_of",
    "read_run",
    "snapshot",
]
