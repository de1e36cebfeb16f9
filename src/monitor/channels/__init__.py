"""How a notification leaves. One file a channel; errors become ``domain.errors.DeliveryError``."""
