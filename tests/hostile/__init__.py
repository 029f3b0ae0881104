"""What strangers may do: servers, pages, names, redirects, lists and whole sites."""
