"""Speed beside a reference: results checked equal first, then ratios from one run."""
