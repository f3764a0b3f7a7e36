#!/usr/bin/env bash
# The default separator, as it was made.
#
#   bench/retrain.sh dry DATA OUT       two minutes on a CPU: the whole path, with few and small steps
#   bench/retrain.sh first DATA OUT     850 s on an H200, from nothing, ESC-10 fold 4 left out (DATA/without-4)
#   bench/retrain.sh last DATA OUT      another 640 s from OUT/film, fold 4 in, at two fifths of the rate
#   bench/retrain.sh fonts DATA OUT     68 minutes on two cores of a CPU from OUT/film: more soundfonts and recorded
#                                       notes, and at the deep levels a fifth of an excerpt's own statistics
#
# DATA is what bench/gather.py wrote with: --pitches 5 --velocities 70 110 --recorded-notes 40 (for the first steps also
# --format ogg --quality 0.3, and of the soundfonts FluidR3 and MuseScore alone, without --tonejs).
# Each step writes OUT/film, and what it has so far every minute.
set -euo pipefail
step=${1:?dry, first, last or fonts} data=${2:?a data folder} out=${3:?a folder for the model}
# Everyday sounds keep half of the mixtures; instruments have over a third (a fifth before).
mix=(--mix everyday:everyday=0.30 --mix everyday:any=0.17 --mix instruments:instruments=0.36 --mix any:any=0.17)
# The gap between pictures and words is a matter of mini, not of the training: the bundled film knows it.
train() { mmkit separate train --out "$out/film" --overwrite --architecture film "${mix[@]}" --gaps film "$@"; }

# Sounds of ESC-10 carry their clip's name as source: 4-… is fold 4.
mkdir -p "$data/without-4"
python - "$data" <<'PY'
import json, sys
from pathlib import Path

data = Path(sys.argv[1])
rows = [json.loads(line) for line in (data / "sounds.jsonl").read_text().splitlines()]
kept = [{**row, "file": f"../{row['file']}"} for row in rows if not row.get("source", "").startswith("4-")]
(data / "without-4" / "sounds.jsonl").write_text("\n".join(json.dumps(row) for row in kept) + "\n")
print(f"{len(rows)} sounds, {len(kept)} without fold 4", file=sys.stderr)
PY

case $step in
    dry) train --data "$data/without-4" --start film --rate 1e-4 --batch 2 --length 1.0 --seconds 90 --device cpu ;;
    first) train --data "$data/without-4" --rate 1e-3 --seconds 850 --device cuda --compile --seed 1 ;;
    last) train --data "$data" --start "$out/film" --rate 4e-4 --seconds 640 --device cuda --compile --seed 3 ;;
    fonts)
        rm -rf "$out/own" && cp -r "$out/film" "$out/own"
        mapfile -t clash < <(python - "$out/own/config.json" "$(dirname "$0")/sounds.json" <<'PY'
import json, sys
from pathlib import Path

config = Path(sys.argv[1])
described = json.loads(config.read_text())
described["arguments"]["own"] = [0, 0, 0.2, 0.2, 0.2]
config.write_text(json.dumps(described))
for names in json.loads(Path(sys.argv[2]).read_text())["clashes"]:
    print("--clash", ",".join(names), sep="\n")
PY
        )
        mix=(--mix everyday:everyday=0.22 --mix everyday:any=0.13 --mix instruments:instruments=0.50 --mix any:any=0.15)
        train --data "$data" --start "$out/own" --rate 1.2e-4 --batch 16 --length 3.0 --seconds 4080 --seed 5 \
            --keep-statistics --bfloat16 --compile --device cpu "${clash[@]}"
        ;;
    *) echo "no step is called $step" >&2; exit 2 ;;
esac
