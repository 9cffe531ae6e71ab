"Teddy (ECCV 2024): dataset distillation by Taylor-approximated matching; what is imported from here is loaded when it is used"

__version__ = "0.1.0"

_MODULES = {
    "load_data": "data.datasets",
    "load_pool": "teachers.pool",
    "Pool": "teachers.pool",
    "get_recipe": "config",
    "get_protocol": "config",
    "override": "config",
    "train_pool": "pool_prior",
    "prune_pool": "pool_post",
    "synthesize": "bn_matching",
    "validate": "validation",
    "score_rows": "validation",
    "random_real": "validation",
    "result_table": "students.scores",
    "distill_dataset": "pipeline",
    "DistilledSet": "runs.distilled_set",
    "Store": "runs.store",
    "method": "methods.registry",
    "METHODS": "comparison",
    "compare": "comparison",
    "sweep": "comparison",
    "Results": "students.scores",
    "load": "students.labels",
    "image_grid": "plots",
    "bibtex": "results",
}
__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, "load_distilled" if name == "load" else name)


def __dir__():
    return [*globals(), *__all__]
