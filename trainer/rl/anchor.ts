/**
 * Draws the policy's weights a little back to the base's after each update:
 *
 *     θ ← θ - α (θ - θ_ref)
 *
 * Many small updates are a walk: each moves Adam's fixed distance, most of it noise, and what it takes from prompts that
 * the run does not ask is never repaired, since the KL is only measured on those that it asks. The noise of a walk that
 * is drawn back stays bounded, while what every update wants again stays. Adapters are drawn back by their second factor,
 * which is 0 at the base. The value head has no base and is left alone.
 *
 * Sources: Ramé et al., "WARP: On the Benefits of Weight Averaged Rewarded Policies", 2024 (interpolation towards the
 * initialisation); Lin et al., "Mitigating the Alignment Tax of RLHF", 2024; Kumar et al., "Maintaining Plasticity in
 * Continual Learning via Regenerative Regularization", 2023 (the same, as a penalty).
 */
import type { Engine, Program } from '../../lm/engines/engine.ts'
import { heldParameters } from '../../lm/architectures/architecture.ts'
import { add, Graph, mul, sub } from '../../lm/graph/index.ts'
import { POLICY, REFERENCE, type HeldPolicy } from './policy.ts'

export interface Anchor {
  /** @param share α, 0…1; 0 does nothing at all */
  draw(share: number): Promise<void>
  close(): Promise<void>
}

export function openAnchor(engine: Engine, policy: HeldPolicy): Anchor {
  let compiled: Promise<Program> | null = null
  return {
    async draw(share) {
      if (share === 0) return
      const program = await (compiled ??= engine.compile(anchorGraph(policy), 'float32'))
      await program.run({ share: Float32Array.of(share) })
    },
    close: async () => (await compiled)?.dispose(),
  }
}

function anchorGraph({ model }: HeldPolicy): Graph {
  const graph = new Graph()
  const share = graph.input('share', [])
  if (model.adapters) {
    for (const { b } of model.adapters.pairs.values()) {
      const now = graph.state(b.name, b.shape)
      graph.update(b.name, sub(now, mul(now, share)))
    }
    return graph
  }
  for (const [name, shape] of heldParameters(model)) {
    const now = graph.state(name, shape)
    const base = graph.state(REFERENCE + name.slice(POLICY.length), shape)
    graph.update(name, add(now, mul(sub(base, now), share)))
  }
  return graph
}
