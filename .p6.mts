import { readFileSync, readdirSync } from 'node:fs'
const f = process.argv[2] ?? '/tmp/eng/prof/' + readdirSync('/tmp/eng/prof')[0]
const all = JSON.parse(readFileSync(f, 'utf8'))
const runs = all.filter(e => e.name === 'model_run' || e.name === 'SequentialExecutor::Execute'); 
const exec = runs.filter(e => e.name.startsWith('Seq')), mr = runs.filter(e => e.name === 'model_run')
const nodes = all.filter(e => e.cat === 'Node' && e.name.endsWith('_kernel_time'))
const rows = exec.map(r => { const ns = nodes.filter(n => n.ts >= r.ts && n.ts < r.ts + r.dur); return { dur: r.dur / 1000, kernels: ns.reduce((s, n) => s + n.dur, 0) / 1000, n: ns.length, ns } })
rows.sort((a, b) => a.dur - b.dur); console.log(rows.slice(0, 4).map(r => [r.dur, r.kernels, r.n]), mr.map(m => m.dur / 1000).sort((a, b) => a - b).slice(0, 3))
const by = new Map(); for (const n of rows[0].ns) by.set(n.args.op_name, (by.get(n.args.op_name) ?? 0) + n.dur / 1000); console.log([...by].sort((a, b) => b[1] - a[1]))
