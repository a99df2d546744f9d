#!/usr/bin/env bash
# npm 11.19.1: `npx --no PROGRAM --flag` gives the flag to npm, `npx --no-install PROGRAM --flag` to the program.
# Expected: both refuse to install anything, and what follows the name of the program is the program's, as npx's help has it.
# Seen: npx takes the name for the value of --no and looks on for its command, so that --version prints the version of npm.
# Met when instructions were to run a program of the clone only, never one of the registry.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p program
echo '{ "name": "program", "version": "1.2.3", "bin": "program.js" }' >program/package.json
printf '#!/usr/bin/env node\nconsole.log("the program got", process.argv.slice(2).join(" "));\n' >program/program.js
chmod +x program/program.js
echo '{}' >package.json
npm install --silent --no-audit --no-fund npm@11.19.1 ./program
npx=node_modules/npm/bin/npx-cli.js
for option in --no-install --no; do
  echo "npx $option program --version: $(node "$npx" "$option" program --version | tee -a seen)"
done
diff seen - <<'SEEN'
the program got --version
11.19.1
SEEN
echo 'as described: after --no, npm takes the flag'
