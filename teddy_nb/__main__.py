"`python -m teddy_nb` is `teddy_distill`"

from teddy_nb.cli import teddy_distill

teddy_distill()
