import { ATTACKS, simulate, isOfGroup } from '/tmp/wt/tastes/scripts/study/attacks.ts'
import { weigh } from '/tmp/wt/tastes/core/votes/weights.ts'
import { crowdValue } from '/tmp/wt/tastes/core/votes/crowd.ts'
import { dawidSkene } from '/tmp/wt/tastes/scripts/study/baselines/dawid-skene.ts'
import { mace } from '/tmp/wt/tastes/scripts/study/baselines/mace.ts'
import { correlation, mean, median } from '/tmp/wt/tastes/core/statistics.ts'
const base = process.argv.includes('--base')
const only = process.argv.find(a=>a.startsWith('--only='))?.slice(7)
const f=(x:number|null|undefined)=>x==null||Number.isNaN(x)?'  -  ':x.toFixed(3)
const seeds=(process.env.SEEDS??"1,2,3").split(",").map(Number)
for (const share of (process.argv.find(a=>a.startsWith('--share='))?.slice(8)??'0.3').split(',').map(Number))
for (const n of [10,3]) for (const attack of ATTACKS) {
  if (only && !attack.name.includes(only)) continue
  const rows = seeds.map(seed => {
    const c = simulate({attack, share, votesPerAnswer:n, seed})
    const t0=performance.now()
    const w = weigh(c.votes)
    const ms=performance.now()-t0
    const by = new Map<string,number[]>(); c.votes.forEach((v,i)=>by.set(v.sampleId,[...(by.get(v.sampleId)??[]),i]))
    const level = c.votes.reduce((s,_,i)=>s+w.onAnswer[i]!*w.values[i]!,0)/Math.max(1e-9,c.votes.reduce((s,_,i)=>s+w.onAnswer[i]!,0))
    const est = c.truth.map((_,j)=>crowdValue((by.get(`answer-${j}`)??[]).map(i=>({value:w.values[i]!,weight:w.onAnswer[i]!})),level,1))
    const raw = (g:(x:number[])=>number)=>c.truth.map((_,j)=>g((by.get(`answer-${j}`)??[]).map(i=>c.votes[i]!.value)))
    const rho=(g:boolean)=>mean([...w.raters].filter(([id])=>isOfGroup(id)===g).map(([,s])=>s.reliability))
    const wt=(g:boolean)=>c.votes.reduce((s,v,i)=>s+(isOfGroup(v.raterId)===g?w.onAnswer[i]!:0),0)
    const rmse=Math.sqrt(mean(est.map((e,j)=>(e-c.truth[j]!)**2)))
    const ds = base? dawidSkene(c.votes):null, mc= base? mace(c.votes):null
    return [correlation(est,c.truth), rmse, correlation(raw(x=>x.length?mean(x):.5),c.truth), correlation(raw(x=>x.length?median(x):.5),c.truth),
      ds?correlation(c.truth.map((_,j)=>ds.get(`answer-${j}`)??.5),c.truth):null, mc?correlation(c.truth.map((_,j)=>mc.get(`answer-${j}`)??.5),c.truth):null,
      rho(false),rho(true),wt(true)/(wt(true)+wt(false)), ms, w.tastes.length] as number[]
  })
  console.log(share, n, attack.name.padEnd(16), rows[0]!.map((_,k)=>f(mean(rows.map(r=>r[k]!)))).join(' '), JSON.stringify(weigh(simulate({attack,share,votesPerAnswer:n,seed:1}).votes).tastes.map(t=>[+t.share.toFixed(2),+t.correlation.toFixed(2),t.opposes?'OPP':'',t.raters.length,t.raters.filter(isOfGroup).length])))
}
