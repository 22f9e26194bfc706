# make up: docker compose up --build, but not over the containers or past the images of others.
set -eu

config=$(docker compose config)
project=$(printf '%s' "$config" | sed -n 's/^name: *"*\([^"]*\)"*$/\1/p')
old=media-processor # what every project was called, before it was called after its folder

refuse() {
	printf '%s\n' "$@" >&2
	exit 1
}

has_volumes() {
	docker volume inspect "$1_uploads" >/dev/null 2>&1 || docker volume inspect "$1_central" >/dev/null 2>&1
}

# Folders whose names differ only in what Compose leaves out of a project's name share one.
docker ps --all --filter "label=com.docker.compose.project=$project" \
	--format '{{.Label "com.docker.compose.project.working_dir"}}' | sort -u | while read -r folder; do
	if [ -d "$folder" ] && [ "$(cd "$folder" && pwd -P)" != "$(pwd -P)" ]; then
		refuse "The containers of the project $project are those of $folder." \
			"For a project of this folder's own, write a name into .env:" \
			"COMPOSE_PROJECT_NAME=$project-2" \
			"To have this folder take them over all the same: docker compose up --build"
	fi
done || exit 1

if printf '%s' "$config" | grep -q '^volumes:' && has_volumes $old && ! has_volumes "$project"; then
	refuse "Images of an earlier version are in the volumes ${old}_uploads and ${old}_central, and" \
		"the project $project has none. To go on with them, write this line into .env:" \
		"COMPOSE_PROJECT_NAME=$old" \
		"To start anew beside them: docker compose up --build"
fi

exec docker compose up --build
