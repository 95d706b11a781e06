"""Turns the key of a row into one whole number, so that a million rows are sorted and matched in an instant."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

Whole = np.ndarray[Any, np.dtype[np.int64]]
MOST = 2**62


def positions(frames: Sequence[pd.DataFrame], key: list[str]) -> list[Whole]:
    """Return a number for each row of each frame: ordered as the keys are, and equal where the keys are."""
    numbers = np.zeros(sum(map(len, frames)), dtype="int64")
    kinds = 1
    for name in key:
        ranks, texts = _ranks([frame[name] for frame in frames])
        if kinds * texts > MOST:
            numbers, distinct = pd.factorize(numbers, sort=True)
            kinds = len(distinct)
        numbers, kinds = numbers * texts + ranks, kinds * texts
    return np.split(numbers, np.cumsum([len(frame) for frame in frames])[:-1])


def _ranks(columns: Sequence[pd.Series]) -> tuple[Whole, int]:
    """Return each cell's place among the distinct ones of all columns, empty first, and how many there are."""
    kinds = [_kinds(column) for column in columns]
    distinct = pd.Index(np.unique(np.concatenate([texts for _, texts in kinds])))
    ranks = [np.append(distinct.get_indexer(texts) + 1, 0)[codes] for codes, texts in kinds]  # code -1 is empty
    return np.concatenate(ranks), len(distinct) + 1


def _kinds(column: pd.Series) -> tuple[Whole, "np.ndarray[Any, Any]"]:
    """Return the code of each cell, and the values that the codes stand for."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.array(column.cat.codes, dtype=np.int64), column.cat.categories.to_numpy(dtype=object)
    codes, values = pd.factorize(column)
    return np.array(codes, dtype=np.int64), np.array(values, dtype=object)
