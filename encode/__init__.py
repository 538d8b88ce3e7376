"""Raw segments and plan to HLS chunks of every rendition."""
