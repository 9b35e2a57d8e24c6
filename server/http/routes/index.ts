import { agreementRoutes } from './agreement.ts'
import { appealRoutes } from './appeals.ts'
import { authRoutes } from './auth.ts'
import { blockchainRoutes } from './blockchain.ts'
import { feedbackRoutes } from './feedback.ts'
import { modelRoutes } from './models.ts'
import { bountyRoutes } from './bounties.ts'
import { claimRoutes } from './claims.ts'
import { exportRoutes } from './exports.ts'
import { historyRoutes } from './history.ts'
import { inviteRoutes } from './invites.ts'
import type { Route } from './route.ts'
import { systemRoutes } from './system.ts'
import { trainingRoutes } from './training.ts'

/** Every route of the REST API. What is not here is not served; `/health` and `/api/docs` are the app's. */
export const routes: readonly Route[] = [
  ...authRoutes,
  ...trainingRoutes,
  ...historyRoutes,
  ...exportRoutes,
  ...agreementRoutes,
  ...inviteRoutes,
  ...feedbackRoutes,
  ...modelRoutes,
  ...blockchainRoutes,
  ...appealRoutes,
  ...bountyRoutes,
  ...claimRoutes,
  ...systemRoutes,
]
