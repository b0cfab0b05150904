"""One example of every body in the OpenAPI document, all of one study: what a person copies first."""

from __future__ import annotations

from typing import Any, Final

from bonanza_server.report_example import REPORT

JSON = dict[str, Any]

_EDGES: Final = ["nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"]
_OPS: Final = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
_CELL: Final[JSON] = {"edges": _EDGES}
_TEXT: Final = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
_ARCH_ID: Final = "cddd9b174f96309c7349"
_LEASE: Final = "zX0wR8hJ2mTq5LbVnY3kCfGd"
_OBJECTIVE: Final[JSON] = {"name": "accuracy", "direction": "maximize", "bounds": [0.0, 100.0]}
_ERROR: Final[JSON] = {"kind": "oom", "message": "CUDA out of memory"}
_MODEL: Final[JSON] = {"version": 3, "observations": 12, "lag": 1, "refitting": True, "degraded": False}
_ATTEMPT: Final[JSON] = {
    "number": 1,
    "token": _LEASE,
    "worker_id": "gpu7-0",
    "expires_at": "2026-03-01T12:01:00Z",
    "heartbeat_s": 20.0,
    "checkpoint": None,
}
_STARTED: Final[JSON] = {
    "number": 12,
    "state": "running",
    "phase": "search",
    "origin": "acquisition",
    "architecture": _CELL,
    "arch_id": _ARCH_ID,
    "seed": 1198754312,
    "value": None,
    "metrics": {},
    "attempts": 1,
    "attempt": _ATTEMPT,
    "prediction": {"mean": 93.4, "std": 0.6},
    "created_at": "2026-03-01T12:00:00Z",
    "started_at": "2026-03-01T12:00:00Z",
    "finished_at": None,
}
_COMPLETE: Final[JSON] = _STARTED | {
    "state": "complete",
    "value": 93.1,
    "values": {"accuracy": 93.1},
    "metrics": {"train_accuracy": 99.2},
    "cost": {"seconds": 812.5},
    "attempt": None,
    "finished_at": "2026-03-01T12:13:32Z",
}
_QUEUED: Final[JSON] = _STARTED | {"state": "pending", "origin": "queue", "attempt": None, "started_at": None}
_BUDGET: Final[JSON] = {"max_trials": 100, "max_parallel": 8}
_SPACE: Final[JSON] = {"kind": "nasbench201"}
_STUDY: Final[JSON] = {
    "name": "cifar",
    "state": "running",
    "space": _SPACE,
    "objective": _OBJECTIVE,
    "objectives": [_OBJECTIVE],
    "strategy": {"name": "random"},
    "pruner": {"name": "asha", "metric": None, "min_steps": 1, "reduction": 3},
    "budget": _BUDGET,
    "lease": {"ttl_s": 60.0, "heartbeat_s": 20.0, "max_attempts": 3},
    "seed": 7,
    "phases": {"baseline": {"cells": 8}, "confirm": {"top": 5, "seeds": 3}},
    "phase": "search",
    "consistency": "relaxed",
    "protocol": {"epochs": 200, "optimiser": "sgd"},
    "tags": ["paper"],
    "description": "the run of table 2",
    "trials": {
        "pending": 0,
        "running": 1,
        "complete": 12,
        "pruned": 0,
        "failed": 0,
        "infeasible": 0,
        "cancelled": 0,
    },
    "best": {"number": 9, "value": 94.2, "architecture": _CELL},
    "model": _MODEL,
    "revision": 1,
    "created_at": "2026-03-01T09:00:00Z",
}
_WORKER_REPORT: Final[JSON] = {
    "study": "cifar",
    "evaluator": "train:cifar10",
    "state": "running",
    "host": "gpu7",
    "versions": {"bonanza": "0.1.0", "python": "3.11.7", "driver": "580.65.06"},
    "slots": [
        {"name": "gpu0", "state": "evaluating", "trial": 12, "measured": 41, "failed": 1, "failures_in_a_row": 0},
        {"name": "gpu1", "state": "quarantined", "failed": 5, "failures_in_a_row": 5, "error": "infra: CUDA error"},
    ],
    "gpus": [
        {"id": "0", "name": "NVIDIA H100", "utilisation": 97.0, "memory_used_mb": 31_210, "memory_total_mb": 81_559}
    ],
}
_WORKER: Final[JSON] = _WORKER_REPORT | {
    "id": "gpu7",
    "registered_at": "2026-03-01T09:00:00Z",
    "seen_at": "2026-03-01T12:00:04Z",
    "silent_s": 7.5,
}
_SPACE_KIND: Final[JSON] = {
    "kind": "nasbench201",
    "description": "The 15,625 cells of NAS-Bench-201: edge_cell with 4 nodes and its 5 ops.",
    "example": _SPACE,
}
_TRIALS: Final[JSON] = {
    "number": [12],
    "state": [2],
    "origin": [1],
    "phase": [0],
    "value": [93.1],
    "mean": [93.4],
    "std": [0.6],
    "rank": [0],
    "seconds": [812.5],
    "created": [10800.0],
    "started": [10800.0],
    "finished": [11612.0],
    "attempts": [1],
    "worker": [0],
    "repeat_of": [None],
    "flags": [0],
}
_RECORD: Final[JSON] = {
    "number": 1,
    "trial": 12,
    "worker_id": "gpu7-0",
    "state": "leased",
    "kind": None,
    "leased_at": "2026-03-01T12:00:00Z",
    "heartbeat_at": "2026-03-01T12:06:40Z",
    "expires_at": "2026-03-01T12:07:40Z",
    "ended_at": None,
    "progress": 0.25,
    "outcome": None,
    "value": None,
    "error": None,
    "log_tail": None,
    "curve": {"step": [10, 20], "metrics": {"accuracy": [61.3, 74.8]}},
}
_HEARTBEAT: Final[JSON] = {"directive": "continue", "expires_at": "2026-03-01T12:01:20Z", "heartbeat_s": 20.0}

_AUDIT: Final[JSON] = {
    "id": 41,
    "at": "2026-03-01T12:00:00Z",
    "kind": "refused",
    "project": "default",
    "key": "5f0c9a4d17be",
    "data": {"status": 403, "address": "192.0.2.7", "times": 3},
}
_KEY: Final[JSON] = {
    "id": "5f0c9a4d17be",
    "name": "gpu7",
    "project": "default",
    "scopes": ["ask"],
    "study": "cifar",
    "created_at": "2026-03-01T12:00:00Z",
    "expires_at": "2026-03-31T12:00:00Z",
    "revoked_at": None,
    "last_used_at": "2026-03-01T12:13:32Z",
}

BODIES: Final[dict[str, JSON]] = {
    "AuditList": {"events": [_AUDIT], "next_page_token": None},
    "KeyList": {"keys": [_KEY]},
    "KeySpec": {"name": "gpu7", "scopes": ["ask"], "study": "cifar", "expires_in_s": 2_592_000},
    "NewKey": _KEY | {"last_used_at": None, "key": "bnz_5f0c9a4d17be_hV3n0Tq8cWm2LrY7bKpXs5dZu9eJf1aGt4oQi6wEyCk"},
    "AskAnswer": {"trials": [_STARTED], "reason": None, "retry_after_s": None, "model": _MODEL},
    "AskRequest": {"count": 1, "worker_id": "gpu7-0", "wait_s": 10, "freshness": "latest"},
    "Atlas": {
        "results": 12,
        "number": [0, 12],
        "x": [-0.81, 0.94],
        "y": [0.12, -0.33],
        "space_x": [-0.4],
        "space_y": [0.2],
        "explained": [0.31, 0.12],
        "places": [
            {
                "pointer": "/edges/3",
                "importance": 0.41,
                "effects": [
                    {"choice": "skip_connect", "count": 7, "effect": 0.61, "error": 0.2},
                    {"choice": "none", "count": 5, "effect": -1.03, "error": 0.24},
                ],
            }
        ],
        "r_squared": 0.82,
        "colours": {"none": "zero", "skip_connect": "identity"},
    },
    "AttemptList": {"attempts": [_RECORD]},
    "ConfirmRequest": {"top": 5, "seeds": 3},
    "Explanation": {
        "number": 12,
        "origin": "acquisition",
        "model_version": 3,
        "read_sequence": 41,
        "rank": 0,
        "mean": 93.4,
        "std": 0.6,
        "acquisition": 0.21,
        "pending": [11],
        "alternatives": [
            {"arch_id": "5c1e77d0a9b83f42e610", "architecture": _CELL, "mean": 93.2, "std": 0.8, "acquisition": 0.2}
        ],
    },
    "FeatureList": {
        "cells": 2000,
        "read": True,
        "features": [{"name": "synflow", "cells": 2000, "measured": 12, "rank_correlation": 0.58}],
    },
    "FeaturesAnswer": {"changed": 1, "unchanged": 0},
    "FeaturesRequest": {"cells": [{"architecture": _CELL, "features": {"synflow": 4.1e12, "accuracy_epoch_3": 71.2}}]},
    "Health": {"status": "ok", "version": "0.1.0"},
    "HeartbeatAnswer": _HEARTBEAT,
    "HeartbeatRequest": {"lease_token": _LEASE, "progress": 0.25, "log_tail": "epoch 20  loss 0.71"},
    "Live": {
        "now": "2026-03-01T12:06:45Z",
        "attempts": [_RECORD],
        "workers": [
            {
                "worker_id": "gpu7-0",
                "trials": [12],
                "last_seen_at": "2026-03-01T12:06:40Z",
                "succeeded": 3,
                "failed": 0,
                "lost": 0,
                "released": 0,
                "busy_s": 2431.0,
            }
        ],
    },
    "Model": _MODEL
    | {
        "strategy": {"name": "bananas"},
        "fit_seconds": 1.8,
        "fitted_at": "2026-03-01T11:58:00Z",
        "pool": 311,
        "rank_correlation": 0.62,
        "predictions": 12,
        "diagnostics": {},
    },
    "NeighbourList": {
        "total": 23,
        "trials": [{"number": 4, "state": "complete", "value": 92.8, "architecture": _CELL}],
    },
    "ObservationsAnswer": {"added": 1, "measured": 0, "skipped": 0},
    "ObservationsRequest": {
        "observations": [{"architecture": _CELL, "value": 93.1, "source": "last year's sweep"}],
        "on_duplicate": "skip",
    },
    "Overview": {
        "studies": [
            {
                "study": _STUDY | {"space": None},
                "space_kind": "nasbench201",
                "workers": 1,
                "best_so_far": [88.4, 91.0, 94.2],
                "last_result_at": "2026-03-01T12:00:00Z",
            }
        ]
    },
    "PredictAnswer": {"predictions": [{"arch_id": _ARCH_ID, "mean": 93.4, "std": 0.6}], "observations": 12},
    "PredictRequest": {"architectures": [_TEXT]},
    "QueueAnswer": {"trials": [_QUEUED | {"created": True}]},
    "QueueRequest": {"architectures": [_CELL, _TEXT], "priority": 5},
    "RankedList": {
        "trials": [_COMPLETE | {"posterior": {"mean": 93.0, "std": 0.1, "low": 92.8, "high": 93.2, "count": 4}}]
    },
    "Readiness": {"status": "ready", "checks": {"database": "ok", "schema": "ok", "engine": "ok", "disk": "ok"}},
    "Reason": {"reason": "the evaluator reads the wrong data set"},
    "ReleaseRequest": {
        "lease_token": _LEASE,
        "reason": "preempted",
        "checkpoint": "s3://runs/cifar/12/epoch-80.pt",
    },
    "RepeatRequest": {"count": 3},
    "Report": REPORT,
    "ReportRequest": {"lease_token": _LEASE, "points": [{"step": 10, "metrics": {"accuracy": 61.3}}]},
    "SampleAnswer": {
        "architectures": [
            {
                "architecture": {
                    "edges": ["nor_conv_1x1", "skip_connect", "nor_conv_3x3", "none", "none", "avg_pool_3x3"]
                },
                "text": "|nor_conv_1x1~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|none~1|avg_pool_3x3~2|",
                "arch_id": "9a829840500701ca5634",
            }
        ],
        "reason": None,
    },
    "SampleRequest": {"space": _SPACE, "count": 1, "seed": 7},
    "SpaceKindSchemas": _SPACE_KIND
    | {
        "spec_schema": {
            "type": "object",
            "properties": {"kind": {"const": "nasbench201"}},
            "required": ["kind"],
            "additionalProperties": False,
        },
        "architecture_schema": {
            "type": "object",
            "properties": {"edges": {"type": "array", "items": {"enum": _OPS}, "minItems": 6, "maxItems": 6}},
            "required": ["edges"],
            "additionalProperties": False,
        },
    },
    "SpaceKinds": {"spaces": [_SPACE_KIND]},
    "StrategyKinds": {
        "strategies": [
            {
                "name": "bonanza",
                "description": "The default: a Gaussian process on several views of a cell.",
                "default": True,
                "options_schema": {
                    "type": "object",
                    "properties": {"n_initial": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 10}},
                    "additionalProperties": False,
                },
            }
        ]
    },
    "Study": _STUDY,
    "StudyChange": {"budget": {"max_trials": 200}, "tags": ["paper", "extended"]},
    "StudyColumns": {
        "study": _STUDY | {"space": None},
        "space_kind": "nasbench201",
        "event": 41,
        "now": 11700.0,
        "states": ["pending", "running", "complete", "pruned", "failed", "infeasible", "cancelled"],
        "origins": ["initial", "acquisition"],
        "phases": ["search", "baseline", "confirm"],
        "workers": ["gpu7-0"],
        "trials": _TRIALS,
        "fits": {"version": [3], "observations": [12], "seconds": [1.8], "at": [10780.0]},
    },
    "StudyList": {"studies": [_STUDY | {"space": None}], "next_page_token": None},
    "StudySpec": {
        "space": _SPACE,
        "objective": {"name": "accuracy", "direction": "maximize"},
        "strategy": {"name": "bananas"},
        "pruner": {"name": "asha", "min_steps": 1, "reduction": 3},
        "budget": {"max_trials": 100},
        "phases": {"baseline": {"cells": 8}, "confirm": {"top": 5, "seeds": 3}},
        "seed": 7,
    },
    "TellAnswer": _COMPLETE | {"accepted": True, "duplicate": False, "is_best": False},
    "TellRequest": {
        "lease_token": _LEASE,
        "value": 93.1,
        "metrics": {"train_accuracy": 99.2},
        "cost": {"seconds": 812.5},
    },
    "Trial": _COMPLETE,
    "TrialChange": {"note": "looks like a bad node", "invalidate": True},
    "TrialList": {"trials": [_COMPLETE], "next_page_token": None},
    "Worker": _WORKER,
    "WorkerList": {"workers": [_WORKER]},
    "WorkerReport": _WORKER_REPORT,
    "ValidateAnswer": {
        "space": _SPACE,
        "architectures": [
            {
                "architecture": _CELL,
                "text": _TEXT,
                "arch_id": _ARCH_ID,
                "parameters": 1_073_466,
                "flops": 153_272_960,
                "svg": None,
            }
        ],
        "reason": None,
    },
    "ValidateCells": {"architectures": [_TEXT], "draw": False},
    "ValidateRequest": {"space": _SPACE, "architecture": _TEXT, "draw": False},
}
"""By the name of the schema."""

FAILED_TELL: Final[JSON] = {"lease_token": _LEASE, "outcome": "failed", "error": _ERROR}
"""The other tell that every trainer needs."""
