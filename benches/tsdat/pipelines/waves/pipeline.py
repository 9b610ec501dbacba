import matplotlib.pyplot as plt
import xarray as xr
from tsdat import IngestPipeline


class Waves(IngestPipeline):
    def hook_plot_dataset(self, dataset: xr.Dataset):
        for name, variable in dataset.data_vars.items():
            if name.startswith("qc_") or "time" not in variable.dims:
                continue
            fig, ax = plt.subplots(figsize=(9, 3))
            variable.plot(ax=ax, x="time")
            ax.set_title(name)
            ax.grid(True)
            fig.tight_layout()
            fig.savefig(self.get_ancillary_filepath(title=name))
            plt.close(fig)
