"""What every process needs: settings, logging, tasks, priority."""
