import { ATTACKS, simulate } from './study/attacks.ts'
import { weigh } from '../core/votes/weights.ts'
for (const n of [10,3]) for (const a of ATTACKS) { const c=simulate({attack:a,share:.3,votesPerAnswer:n,seed:1}); const t=[]; for(let i=0;i<12;i++){const s=performance.now(); weigh(c.votes,{halfLife:300}); t.push(performance.now()-s)}; t.sort((x,y)=>x-y); console.log(n,a.name,t[6]!.toFixed(1)) }
