import { Interface } from 'ethers'
import type { Address, Hex } from '../hex.ts'

// The parts of its contracts that Attune calls; a test checks each against the compiled ABI.

const roles = [
  'function DEFAULT_ADMIN_ROLE() view returns (bytes32)',
  'function defaultAdmin() view returns (address)',
  'function hasRole(bytes32 role, address account) view returns (bool)',
  'function grantRole(bytes32 role, address account)',
  'function revokeRole(bytes32 role, address account)',
  'function beginDefaultAdminTransfer(address newAdmin)',
  'function acceptDefaultAdminTransfer()',
  'error AccessControlUnauthorizedAccount(address account, bytes32 neededRole)',
] as const

export const ledgerInterface = new Interface([
  ...roles,
  'constructor(address admin, address recorder, address arbiter, address treasurer, uint48 adminDelay, uint24 window, uint96 bond)',
  'function RECORDER_ROLE() view returns (bytes32)',
  'function ARBITER_ROLE() view returns (bytes32)',
  'function TREASURER_ROLE() view returns (bytes32)',
  'function submitEpoch(uint256 epochId, bytes32 contributionsRoot, bytes32 rewardsRoot, bytes32 manifestHash, uint32 count, uint32 rejections)',
  'function epochs(uint256 epochId) view returns (tuple(bytes32 contributionsRoot, bytes32 rewardsRoot, bytes20 manifestHash, uint32 count, uint32 submittedAt, uint32 finalAt) epoch)',
  'function ledgerState() view returns (tuple(uint32 lastEpochId, uint32 disputedEpochId, uint24 disputeWindow, uint32 floor, uint32 frozenAt, uint32 resumesAt, uint32 rejections, uint32 rejectedAt, bool paused))',
  'function epochStatus(uint256 epochId) view returns (uint8)',
  'function lastEpochId() view returns (uint64)',
  'function lastFinalEpochId() view returns (uint256 low)',
  'function finalRewardsRoot(uint256 epochId) view returns (bytes32)',
  'function isFinalRewardsRoot(uint256 epochId, bytes32 root) view returns (bool)',
  'function disputeWindow() view returns (uint24)',
  'function disputeBond() view returns (uint96)',
  'function setDisputeTerms(uint24 window, uint96 bond)',
  'function setPaused(bool paused)',
  'function dispute(uint256 epochId, string reason) payable',
  'function resolve(uint256 epochId, bool upheld)',
  'function openDispute() view returns (address disputer, uint96 bond)',
  'function returnedBonds(address disputer) view returns (uint256)',
  'function forfeitedBonds() view returns (uint256)',
  'function withdrawBonds(address disputer)',
  'function collectForfeitedBonds(address to)',
  'function verifyContribution(uint256 epochId, bytes32 leaf, bytes32[] proof) view returns (bool)',
  'function verifyRecord(uint256 epochId, uint256 index, bytes32 session, bytes32 contributor, uint8 kind, uint256 credit, bytes32 recordHash, bytes32[] proof) view returns (bool)',
  'function leafOf(uint256 epochId, uint256 index, bytes32 session, bytes32 contributor, uint8 kind, uint256 credit, bytes32 recordHash) view returns (bytes32)',
  'function recordContribution(string sessionId, string modelId, string contributorId, uint8 contributionType, uint256 computeHours, uint256 qualityScore)',
  'function recordFeedback(string sessionId, string feedbackId, string userId, uint256 rating, uint256 compassionScore)',
  'function getContributorRewards(string contributorId) view returns (uint256)',
  'function creditOf(uint8 contributionType, uint256 computeHours, uint256 qualityScore) pure returns (uint256)',
  'event EpochSubmitted(uint256 indexed epochId, bytes32 indexed manifestHash)',
  'event EpochDisputed(uint256 indexed epochId, address indexed disputer, uint256 bond, string reason)',
  'event DisputeResolved(uint256 indexed epochId, bool upheld, uint256 lastEpochId)',
  'event BondReturned(address indexed disputer, uint256 amount)',
  'event ForfeitedBondsCollected(address indexed to, uint256 amount)',
  'event Paused(address by)',
  'event Unpaused(address by)',
  'event DisputeTermsSet(uint256 window, uint256 bond)',
  'error EpochOutOfOrder(uint256 expected, uint256 given)',
  'error EpochAlreadyRecorded(uint256 epochId)',
  'error EmptyEpoch(uint256 epochId)',
  'error EpochOutdated(uint256 rejections, uint256 given)',
  'error EpochNotFinal(uint256 epochId)',
  'error EpochNotPending(uint256 epochId)',
  'error DisputeOpen(uint256 epochId)',
  'error NoSuchDispute(uint256 epochId)',
  'error WrongBond(uint256 expected, uint256 given)',
  'error NothingToPay()',
  'error PaymentsPaused()',
  'error DisputeWindowTooLong(uint256 window)',
  'error FeedbackAlreadyRecorded(string feedbackId)',
  'error UnknownContributionType(uint8 contributionType)',
  'error ScoreOutOfRange(uint256 score)',
])

export const distributorInterface = new Interface([
  'constructor(address ledger)',
  'function NATIVE() view returns (address)',
  'function NOTICE() view returns (uint256)',
  'function REFUND_AFTER() view returns (uint256)',
  'function EXPIRES_AFTER() view returns (uint256)',
  'function LEDGER() view returns (address)',
  'function fund(bytes32 session, address token, uint256 amount, uint96 perCredit) payable returns (bytes32 id)',
  'function setPrice(bytes32 id, uint96 perCredit)',
  'function close(bytes32 id)',
  'function refund(bytes32 id, uint256 epochId, uint256 allocated, bytes32[] proof) returns (uint256 amount)',
  'function expire(bytes32 id) returns (uint256 amount)',
  'function claim(uint256 epochId, bytes32 bounty, address account, uint256 amount, bytes32[] proof) returns (uint256)',
  'function claimMany(tuple(uint256 epochId, bytes32 bounty, address account, uint256 amount, bytes32[] proof)[] claims)',
  'function claimTo(tuple(uint256 epochId, bytes32 bounty, address account, uint256 amount, bytes32[] proof) c, address recipient, uint256 deadline, bytes signature) returns (uint256)',
  'function bountyOf(bytes32 session, address sponsor, address token) view returns (bytes32)',
  'function bounties(bytes32 bounty) view returns (address token, uint96 left, address sponsor, uint48 closedAt, uint96 funded, uint96 perCredit, uint48 since)',
  'function claimed(bytes32 bounty, address account) view returns (uint256)',
  'event BountyFunded(bytes32 indexed bounty, bytes32 indexed session, address indexed sponsor, address token, uint256 amount)',
  'event PriceSet(bytes32 indexed bounty, uint256 perCredit)',
  'event BountyClosed(bytes32 indexed bounty)',
  'event BountyRefunded(bytes32 indexed bounty, uint256 amount)',
  'event Claimed(bytes32 indexed bounty, address indexed account, uint256 amount)',
  'event Redirected(bytes32 indexed bounty, address indexed account, address recipient)',
  'error NothingFunded()',
  'error WrongValue(uint256 expected, uint256 given)',
  'error NotSponsor(address caller)',
  'error UnknownBounty(bytes32 bounty)',
  'error BountyNotClosed(bytes32 bounty)',
  'error TooEarly(uint256 opensAt)',
  'error EpochSuperseded(uint256 epochId)',
  'error InvalidProof()',
  'error NothingToPay()',
  'error PotTooSmall(uint256 left, uint256 due)',
  'error SignatureExpired(uint256 deadline)',
  'error InvalidSignature()',
  'error PaymentsPaused()',
  'error EpochNotFinal(uint256 epochId)',
])

/** For the signature of `claimTo`; the domain's chain and contract come from where it is used. */
export const CLAIM_TO_TYPES = {
  ClaimTo: [
    { name: 'bounty', type: 'bytes32' },
    { name: 'account', type: 'address' },
    { name: 'amount', type: 'uint256' },
    { name: 'recipient', type: 'address' },
    { name: 'deadline', type: 'uint256' },
  ],
}
export const DISTRIBUTOR_DOMAIN = { name: 'Attune RewardDistributor', version: '1' } as const

export const tokenInterface = new Interface([
  ...roles,
  'constructor(uint256 supplyCap, address admin, address treasurer, uint48 adminDelay)',
  'function TREASURER_ROLE() view returns (bytes32)',
  'function mint(address to, uint256 amount)',
  'function cap() view returns (uint256)',
  'function totalSupply() view returns (uint256)',
  'function balanceOf(address account) view returns (uint256)',
  'function approve(address spender, uint256 amount) returns (bool)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)',
  'function nonces(address owner) view returns (uint256)',
  'error ERC20ExceededCap(uint256 increasedSupply, uint256 cap)',
])

/** What `epochs` returns. */
export type EpochOnChain = {
  contributionsRoot: Hex
  rewardsRoot: Hex
  /** Its first 20 bytes. */
  manifestHash: Hex
  count: number
  /** Seconds since 1970, as the others. */
  submittedAt: number
  finalAt: number
}

/** What `ledgerState` returns. */
export type LedgerState = {
  lastEpochId: number
  disputedEpochId: number
  disputeWindow: number
  floor: number
  frozenAt: number
  resumesAt: number
  rejections: number
  rejectedAt: number
  paused: boolean
}

/** What `bounties` returns. */
export type BountyOnChain = {
  token: Address
  left: bigint
  sponsor: Address
  closedAt: number
  funded: bigint
  perCredit: bigint
  since: number
}
