"""One example of a report in the OpenAPI document; lists are cut to two."""

from __future__ import annotations

from typing import Any, Final

REPORT: Final[dict[str, Any]] = {
    "study": "cifar10-cells",
    "made_at": "2026-03-01T12:00:00Z",
    "objective": "accuracy",
    "direction": "maximize",
    "strategy": {"name": "bonanza", "n_initial": 10, "candidates": 1000},
    "space": {"kind": "nasbench201"},
    "description": "The cells of NAS-Bench-201 on CIFAR-10, one training seed a query.",
    "trials": {"pending": 0, "running": 0, "complete": 54, "pruned": 0, "failed": 2, "infeasible": 0, "cancelled": 0},
    "phases": {"baseline": 8, "search": 31, "confirm": 15},
    "relative_improvement": {
        "value": 12.843,
        "interval": {"low": -1.754, "high": 27.44, "level": 0.95, "method": "studentised bootstrap, symmetric"},
        "searched": {"n": 3, "mean": 91.595, "std": 0.155, "min": 91.416, "max": 91.684, "values": [91.684]},
        "random": {"n": 10, "mean": 81.17, "std": 9.287, "min": 63.844, "max": 89.184, "values": [88.812, 84.16]},
        "note": "One search: the interval is of the training seeds of the recommended cell "
        "and of the random sample, not of the luck of another search; bonanza "
        "evaluate runs several",
    },
    "random_sample": {
        "n": 10,
        "mean": 81.17,
        "std": 9.287,
        "min": 63.844,
        "max": 89.184,
        "values": [88.812, 84.16],
        "histogram": {"edges": [60.0, 75.0, 90.0], "counts": [3, 7]},
    },
    "recommended": {
        "number": 27,
        "arch_id": "2d83272c102233ce845f",
        "architecture": {"edges": ["nor_conv_3x3", "nor_conv_3x3"]},
        "mean": 91.613,
        "std": 0.041,
        "low": 91.533,
        "high": 91.693,
        "count": 4,
        "confirmed": True,
        "confirm_values": [91.684, 91.684],
        "luckiest_number": 27,
        "luckiest_value": 91.684,
    },
    "curve": {
        "trials": [1, 2],
        "best": [88.812, 88.812],
        "hours": [0.794, 1.039],
        "wall_hours": [0.0, 0.0],
        "random": [81.17, 85.744],
    },
    "seeds": {
        "cells": 5,
        "kendall_tau": 0.6,
        "mean_change": 0.066,
        "max_change": 0.188,
        "most_places": 2,
        "pairs": [[91.584, 91.584], [91.388, 91.248]],
        "first": "first seed",
        "second": "second seed",
    },
    "depth": None,
    "smoothing": None,
    "protocols": [
        {
            "hash": "bec52ddddf0d67cf",
            "protocol": {"name": "nb201", "epochs": 200, "cells": 15, "cutout": 0, "objective": "last"},
            "study": True,
            "epoch": "last",
            "tricks": [],
            "values": {"n": 48, "mean": 88.888, "std": 5.751, "min": 63.844, "max": 91.684, "values": [88.812, 84.16]},
            "shared": {"n": 6, "mean": 77.363, "std": 10.463, "min": 63.844, "max": 89.184, "values": [79.008, 78.576]},
        },
        {
            "hash": "788043f02af1d206",
            "protocol": {"name": "nb201", "epochs": 200, "cells": 15, "cutout": 16, "objective": "last"},
            "study": False,
            "epoch": "last",
            "tricks": ["cutout"],
            "values": {"n": 6, "mean": 79.441, "std": 9.866, "min": 67.717, "max": 90.903, "values": [90.903, 80.945]},
            "shared": {"n": 6, "mean": 79.441, "std": 9.866, "min": 67.717, "max": 90.903, "values": [80.945, 79.38]},
        },
    ],
    "surrogate": {
        "predictions": 23,
        "kendall_tau": 0.289,
        "rmse": 0.881,
        "mean_std": 0.82,
        "calibration": [{"level": 0.5, "covered": 0.609}, {"level": 0.8, "covered": 0.913}],
        "trials": [15, 21],
        "tau": [-0.733, 0.6],
        "points": [[91.076, 2.228, 89.36], [89.627, 1.022, 89.412]],
    },
    "cost": {
        "baseline_hours": 3.498,
        "search_hours": 17.019,
        "confirm_hours": 10.732,
        "other_hours": 0.0,
        "failed_hours": 0.0,
        "fit_hours": 0.033,
        "wall_hours": 0.038,
        "tuning_hours": None,
    },
    "transfer": {
        "sources": [{"study": "cifar-last-year", "cells": 50, "correlation": 0.95}],
        "used": True,
        "rank_correlation": 0.99,
        "rank_correlation_without": 0.94,
    },
    "reproducibility": {
        "bonanza": "0.1.0",
        "python": "3.11.7",
        "circumstances": {"torch": "2.13.0+cpu", "numpy": "2.4.6", "threads": "1", "cpu": "AVX2"},
        "seed": 7,
        "space_hash": "1e781b0fd4c0df6a967ee52bbe0fa99e940e887d0eb7ed8126f53c6b6acc545f",
        "spec_hash": "d2285aa47a1865020fadf1692163ac2ecc64cb832240e6469ae35a7eecd7acee",
        "protocol_hash": "bec52ddddf0d67cf",
        "events": 163,
        "events_hash": "cae3d06a4c1dd07b863c16e5b7c82da2c4eb5cd4a83f621b5f8b5b118dd2fe32",
        "citation": "@misc{bonanza-cifar, …}",
    },
    "checklist": [
        {
            "question": "Is the search compared with architectures sampled at random from the same space "
            "and trained in the same way?",
            "answer": "yes",
            "evidence": "10 random cells; the paper takes 8",
        },
        {
            "question": "Is the spread of the space known, as mean and deviation of random architectures?",
            "answer": "yes",
            "evidence": "81.17 ± 9.29, from 63.84 to 89.18",
        },
    ],
    "missing": [
        {
            "part": "depth",
            "reason": "no cells were trained at two depths: repeat some with a protocol whose cells differ",
        }
    ],
}
