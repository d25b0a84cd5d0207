# SPDX-License-Identifier: MIT
# What the programs of bench/ printed, as one object, with the goals judged.

def rows: split("\n") | map(select(. != "") | split("\t"));

def goal($text; $limit; $measured):
	{ goal: $text, limit: $limit, measured: $measured,
	  met: ($measured != null and $measured <= $limit) };

($access | rows | map({ threads: (.[0] | tonumber), shape: .[1], way: .[2],
	ns: (.[3] | tonumber), to_raw: (.[4] | tonumber),
	to_rwlock: (.[5] | tonumber) })) as $access
| ($drain | rows | map({ readers: .[0], domain: .[1], us: (.[2] | tonumber),
	us_p90: (.[3] | tonumber), ours_to_it: (.[4] | tonumber) })) as $drain
| ($share | rows | map({ clients: (.[0] | tonumber), by: .[1], left_us: (.[2] | tonumber),
	left_us_p90: (.[3] | tonumber), back_us: (.[4] | tonumber),
	back_us_p90: (.[5] | tonumber), bare_us: (.[6] | tonumber),
	left_to_bare: ((.[2] | tonumber) / (.[6] | tonumber) * 100 | round / 100) }))
	as $share
| ($count | rows | map({ (.[0]): (.[1] | tonumber) }) | add) as $count
| def one($shape; $way): $access[]
	| select(.threads == 1 and .shape == $shape and .way == $way);
def ours($shape): one($shape; "vfiosafe");
# Alone on its core, a processor makes both of these loops at one read a cycle. The
# first needs all of its front end, which a busy hyperthread beside it takes half of.
def raw($shape): one($shape; "raw volatile").ns;
{
	machine: { cpu: $cpu, cpus: ($cpus | tonumber), kernel: $kernel,
		core_shared: (raw("read32") > 1.3 * raw("section of 1024")) },
	access: $access,
	drain: $drain,
	share: $share,
	instructions: $count,
	goals: [
		goal("guarded read, to rwlock"; 0.15; ours("read32").to_rwlock),
		goal("guarded read, instructions"; 30; $count["read32"]),
		goal("window, each of 256 clients to each of 32, instructions"; 1.0;
			$count["window, each of 256 clients"]
			/ $count["window, each of 32 clients"] * 1000 | round / 1000),
		goal("read in a section of 64, to raw"; 1.10;
			ours("section of 64").to_raw),
		goal("drain with 1 busy reader, us"; 60;
			($drain[] | select(.readers == "1 busy reader"
				and .domain == "vfiosafe").us))
	]
}
