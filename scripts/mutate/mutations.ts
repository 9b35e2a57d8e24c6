/**
 * Every guard of the contracts, and how it is removed: `from`, found once after
 * `at` in the source, becomes `to`. A test must fail then.
 */
export type Mutation = {
  guard: string
  file: 'ContributionLedger' | 'SingleRecords' | 'Bonds' | 'RewardDistributor' | 'AttuneToken'
  at: string
  from: string
  to: string
}

const of =
  (file: Mutation['file']) =>
  (at: string, guard: string, from: string, to = ''): Mutation => ({ guard, file, at, from, to })
const ledger = of('ContributionLedger')
const singly = of('SingleRecords')
const bonds = of('Bonds')
const distributor = of('RewardDistributor')

export const MUTATIONS: readonly Mutation[] = [
  ledger('function submitEpoch(', 'only the recorder submits', 'onlyRole(RECORDER_ROLE)'),
  ledger(
    'function submitEpoch(',
    'a recorded epoch keeps its contributions root',
    'epoch.contributionsRoot == contributionsRoot &&',
    'true &&',
  ),
  ledger(
    'function submitEpoch(',
    'a recorded epoch keeps its rewards root',
    '_rewardsRoot(epoch) == rewardsRoot &&',
    'true &&',
  ),
  ledger(
    'function submitEpoch(',
    'a recorded epoch keeps its manifest and count',
    'epoch.rest >> 64 == content >> 64',
    'true',
  ),
  ledger(
    'function submitEpoch(',
    'other content under a recorded id is refused',
    'if (!same) revert EpochAlreadyRecorded(epochId);',
  ),
  ledger('function submitEpoch(', 'epoch 0 is no repetition', 'epochId != 0 && epochId <= last', 'epochId <= last'),
  ledger(
    'function submitEpoch(',
    'epochs have consecutive ids',
    'if (epochId != last + 1) revert EpochOutOfOrder(last + 1, epochId);',
  ),
  ledger(
    'function submitEpoch(',
    'an epoch is built after the last decision',
    'if (rejections != known) revert EpochOutdated(known, rejections);',
  ),
  ledger('function submitEpoch(', 'an epoch has a contribution', 'count == 0 || ', ''),
  ledger('function submitEpoch(', 'an epoch has a root', 'count == 0 || contributionsRoot == 0', 'count == 0'),
  ledger('function submitEpoch(', 'no epoch is final before an earlier one', 'if (finalAt < floor) finalAt = floor;'),
  ledger('function submitEpoch(', 'all of the rewards root is kept', '| uint32(uint256(rewardsRoot))', '| 0'),
  ledger('function submitEpoch(', 'the window is waited for', 'block.timestamp + window', 'block.timestamp'),
  ledger(
    'function epochs(',
    'an epoch that was taken back is not shown',
    'if (epochId > _state.lastEpochId) return epoch;',
  ),
  ledger(
    'function epochStatus(',
    'an epoch that was taken back has no status',
    'epochId == 0 || epochId > state.lastEpochId',
    'epochId == 0',
  ),
  ledger(
    'function isFinalRewardsRoot(',
    'only the epoch’s root pays',
    '_payingRewards(epochId) >> 32 == uint256(root) >> 32',
    '_payingRewards(epochId) != 0 || root != 0',
  ),
  ledger('function _payingRewards(', 'nothing is paid while paused', 'if (paused) revert PaymentsPaused();'),
  ledger('function _payingRewards(', 'epoch 0 pays nothing', 'epochId == 0 || ', ''),
  ledger('function _payingRewards(', 'an epoch that was taken back pays nothing', 'epochId > last || ', ''),
  ledger(
    'function _payingRewards(',
    'only a final epoch pays',
    ' || !_isFinal(rewards, disputed, frozenAt, resumesAt)',
    '',
  ),
  ledger(
    'function dispute(',
    'one dispute at a time',
    'if (state.disputedEpochId != 0) revert DisputeOpen(state.disputedEpochId);',
  ),
  ledger('function dispute(', 'what is not recorded cannot be disputed', 'epochId > state.lastEpochId || ', ''),
  ledger('function dispute(', 'what is final cannot be disputed', ' || _isFinal(_epochs[epochId].rewards, state)', ''),
  ledger(
    'function dispute(',
    'a dispute costs its bond',
    'if (msg.value != disputeBond) revert WrongBond(disputeBond, msg.value);',
  ),
  ledger(
    'function dispute(',
    'a second dispute lets nothing become final that the first held up',
    'if (block.timestamp >= state.resumesAt) state.frozenAt',
    'state.frozenAt',
  ),
  ledger(
    'function dispute(',
    'a dispute stops the clock',
    'if (block.timestamp >= state.resumesAt) state.frozenAt = uint32(block.timestamp);',
  ),
  ledger('function resolve(', 'only the arbiter decides', 'onlyRole(ARBITER_ROLE)'),
  ledger('function resolve(', 'only the open dispute is decided', 'epochId != state.disputedEpochId', 'false'),
  ledger('function resolve(', 'where there is no dispute none is decided', 'epochId == 0 || ', ''),
  ledger('function resolve(', 'a decision ends its dispute', 'state.disputedEpochId = 0;'),
  ledger(
    'function resolve(',
    'what a dispute held up has a window again',
    'uint32(block.timestamp) + state.disputeWindow',
    'uint32(block.timestamp)',
  ),
  ledger('function resolve(', 'an upheld dispute takes its epochs back', 'state.lastEpochId = uint32(epochId) - 1;'),
  ledger('function resolve(', 'an upheld dispute outdates what was built before', 'state.rejections++;'),
  ledger('function resolve(', 'an upheld dispute puts refunds off', 'state.rejectedAt = uint32(block.timestamp);'),
  ledger(
    'function resolve(',
    'an upheld bond is its disputer’s',
    'returnedBonds[decided.disputer] += decided.bond;',
    'forfeitedBonds += decided.bond;',
  ),
  ledger(
    'function resolve(',
    'a dismissed bond is forfeited',
    'forfeitedBonds += decided.bond;',
    'returnedBonds[decided.disputer] += decided.bond;',
  ),
  bonds('function withdrawBonds(', 'there is a bond to return', 'if (amount == 0) revert NothingToPay();'),
  bonds('function withdrawBonds(', 'a bond is returned once', 'returnedBonds[disputer] = 0;'),
  bonds(
    'function withdrawBonds(',
    'a bond is off the books before it is sent',
    'returnedBonds[disputer] = 0;\n        emit BondReturned(disputer, amount);\n        Address.sendValue(disputer, amount);',
    'emit BondReturned(disputer, amount);\n        Address.sendValue(disputer, amount);\n        returnedBonds[disputer] = 0;',
  ),
  bonds('function collectForfeitedBonds(', 'only the treasurer collects', 'onlyRole(TREASURER_ROLE)'),
  bonds('function collectForfeitedBonds(', 'there is a bond to collect', 'if (amount == 0) revert NothingToPay();'),
  bonds('function collectForfeitedBonds(', 'a bond is collected once', 'forfeitedBonds = 0;'),
  ledger('function setDisputeTerms(', 'only the admin sets the terms', 'onlyRole(DEFAULT_ADMIN_ROLE)'),
  ledger('function setPaused(', 'only the treasurer pauses', 'onlyRole(TREASURER_ROLE)'),
  ledger(
    'function verifyContribution(',
    'nothing is proven by an epoch that was taken back',
    'if (epochId > _state.lastEpochId) return false;',
  ),
  ledger('function verifyContribution(', 'nothing is proven by no epoch', 'root != 0 && ', ''),
  ledger('function leafOf(', 'a leaf is of its chain', 'block.chainid,', 'uint256(1),'),
  ledger('function leafOf(', 'a leaf is of its ledger', 'address(this),', 'address(1),'),
  ledger('function leafOf(', 'a leaf is of its epoch', 'epochId,\n            index', 'uint256(1),\n            index'),
  singly('function recordContribution(', 'only the recorder records singly', 'onlyRole(RECORDER_ROLE)'),
  singly('function recordFeedback(', 'only the recorder records a vote', 'onlyRole(RECORDER_ROLE)'),
  singly('function recordFeedback(', 'a rating is at least 1', 'rating < 1 || ', ''),
  singly('function recordFeedback(', 'a rating is at most 10', ' || rating > 10', ''),
  singly(
    'function recordFeedback(',
    'compassion is at most 1',
    'if (compassionScore > 10_000) revert ScoreOutOfRange(compassionScore);',
  ),
  singly(
    'function recordFeedback(',
    'a vote is recorded once',
    'if (_recorded[feedback]) revert FeedbackAlreadyRecorded(feedbackId);',
  ),
  singly(
    'function creditOf(',
    'there are five kinds',
    'if (contributionType > 4) revert UnknownContributionType(contributionType);',
  ),
  singly(
    'function creditOf(',
    'a quality is at most 1',
    'if (qualityScore > 10_000) revert ScoreOutOfRange(qualityScore);',
  ),
  ledger('function _isFinal(\n', 'an epoch’s own window is waited for', 'if (block.timestamp < finalAt) return false;'),
  ledger('function _isFinal(\n', 'what was final before a dispute stays so', ' || finalAt <= frozenAt', ''),
  ledger('function _isFinal(\n', 'nothing becomes final while a dispute is open', 'disputed == 0 && ', ''),
  ledger(
    'function _isFinal(\n',
    'nothing becomes final right after a decision',
    ' && block.timestamp >= resumesAt',
    '',
  ),
  ledger(
    'function _setDisputeTerms(',
    'a window is at most 30 days',
    'if (window > MAX_DISPUTE_WINDOW) revert DisputeWindowTooLong(window);',
  ),
  ledger(
    'function _setDisputeTerms(',
    'a second change of terms lowers no floor',
    'if (floor > _state.floor) _state.floor = floor;',
    '_state.floor = floor;',
  ),

  distributor('function fund(', 'no funding inside a funding', ' nonReentrant'),
  distributor('function fund(', 'no funding while paused', '_whenNotPaused();'),
  distributor(
    'function fund(',
    'the coin that is sent is what is counted',
    'if (msg.value != (token == NATIVE ? amount : 0)) revert WrongValue(token == NATIVE ? amount : 0, msg.value);',
  ),
  distributor(
    'function fund(',
    'what does not fit is refused, not cut',
    '_take(token, amount).toUint96()',
    'uint96(_take(token, amount))',
  ),
  distributor('function fund(', 'nothing is no funding', 'if (arrived == 0) revert NothingFunded();'),
  distributor(
    'function fund(',
    'a bounty is of its funder',
    'bountyOf(session, msg.sender, token)',
    'bountyOf(session, address(0), token)',
  ),
  distributor(
    'function fund(',
    'a bounty is no older than its first funding',
    'bounty.since = uint48(block.timestamp);',
  ),
  distributor('function close(', 'closing again gives no new date', 'if (bounty.closedAt != 0) return;'),
  distributor(
    'function refund(',
    'a refund waits two days',
    '_closedAt(id, bounty) + REFUND_AFTER',
    '_closedAt(id, bounty)',
  ),
  distributor(
    'function refund(',
    'a refund waits for what an upheld dispute put off',
    'if (ledger.rejectedAt + REFUND_AFTER > opensAt) opensAt = ledger.rejectedAt + REFUND_AFTER;',
  ),
  distributor(
    'function refund(',
    'a refund comes in its time',
    'if (block.timestamp < opensAt) revert TooEarly(opensAt);',
  ),
  distributor(
    'function refund(',
    'a refund goes by the last epoch that may have paid',
    'if (next != 0 && next < opensAt) revert EpochSuperseded(epochId);',
  ),
  distributor('function refund(', 'without a proof only by the last epoch', 'epochId == ledger.lastEpochId && ', ''),
  distributor(
    'function refund(',
    'without a proof only by an epoch that is older than the bounty',
    ' && LEDGER.epochs(epochId).submittedAt < bounty.since',
    '',
  ),
  distributor(
    'function refund(',
    'without a proof only where nothing was earned',
    'noneCame && allocated == 0',
    'noneCame',
  ),
  distributor('function refund(', 'no refund without a proof while paused', '_whenNotPaused();', '{}'),
  distributor(
    'function refund(',
    'a refund proves what was earned',
    'else _prove(epochId, abi.encode(block.chainid, address(LEDGER), epochId, id, allocated), proof);',
  ),
  distributor(
    'function refund(',
    'a refund’s leaf is of its chain',
    'abi.encode(block.chainid,',
    'abi.encode(uint256(31_338),',
  ),
  distributor(
    'function refund(',
    'a refund’s leaf is of its ledger',
    'address(LEDGER), epochId, id',
    'address(1), epochId, id',
  ),
  distributor(
    'function refund(',
    'what was earned stays',
    'amount = bounty.funded - allocated',
    'amount = bounty.funded',
  ),
  distributor(
    'function refund(',
    'a refund takes no more than the pot has',
    'if (amount > bounty.left) amount = bounty.left;',
  ),
  distributor('function expire(', 'nothing expires while paused', '_whenNotPaused();'),
  distributor(
    'function expire(',
    'a bounty expires after a year',
    'if (block.timestamp < opensAt) revert TooEarly(opensAt);',
  ),
  distributor(
    'function claimTo(',
    'only its account sends a claim elsewhere unsigned',
    'msg.sender != c.account',
    'false',
  ),
  distributor(
    'function claimTo(',
    'a signature expires',
    'if (block.timestamp > deadline) revert SignatureExpired(deadline);',
  ),
  distributor(
    'function claimTo(',
    'a signature is its account’s',
    'if (!SignatureChecker.isValidSignatureNow(c.account, digest, signature)) revert InvalidSignature();',
  ),
  distributor(
    'function claimTo(',
    'a signature names the recipient',
    'c.amount, recipient, deadline',
    'c.amount, c.account, deadline',
  ),
  distributor(
    'function claimTo(',
    'a signature names the amount',
    'c.account, c.amount, recipient',
    'c.account, uint256(0), recipient',
  ),
  distributor('function claimTo(', 'a signature is of this chain and contract', '_hashTypedDataV4(', '('),
  distributor('function bountyOf(', 'a pot is of its chain', 'block.chainid', 'uint256(31_337)'),
  distributor('function bountyOf(', 'a pot is of its contract', 'address(this)', 'address(1)'),
  distributor(
    'function bountyOf(',
    'a pot is of its session',
    'session, sponsor, token));',
    'bytes32(0), sponsor, token));',
  ),
  distributor(
    'function bountyOf(',
    'a pot is of its token',
    'session, sponsor, token));',
    'session, sponsor, address(0)));',
  ),
  distributor(
    'function _claim(',
    'a claim is proven',
    '_prove(epochId, abi.encode(block.chainid, address(LEDGER), epochId, id, account, amount), proof);',
  ),
  distributor(
    'function _claim(',
    'a claim’s leaf is of its chain',
    'abi.encode(block.chainid,',
    'abi.encode(uint256(31_337),',
  ),
  distributor('function _claim(', 'a claim’s leaf is of its ledger', 'address(LEDGER), epochId', 'address(1), epochId'),
  distributor(
    'function _claim(',
    'a claim’s leaf is of its epoch',
    'address(LEDGER), epochId,',
    'address(LEDGER), uint256(1),',
  ),
  distributor('function _claim(', 'what was claimed is not paid again', 'if (amount <= before) revert NothingToPay();'),
  distributor('function _claim(', 'a claim pays the difference', 'due = amount - before', 'due = amount'),
  distributor(
    'function _claim(',
    'a claim takes no more than its pot has',
    'if (due > left) revert PotTooSmall(left, due);',
  ),
  distributor('function _claim(', 'a claim is kept', 'paid[account] = amount;'),
  distributor('function _claim(', 'a claim comes off its pot', 'bounty.left = uint96(left - due);'),
  distributor(
    'function _claim(',
    'a claim is kept before it is paid',
    'paid[account] = amount;\n        bounty.left = uint96(left - due);\n',
    '_pay(token, recipient, due); paid[account] = amount; bounty.left = uint96(left - due); if (due > 0) return due;\n',
  ),
  distributor(
    'function _prove(',
    'a leaf is hashed twice',
    'keccak256(bytes.concat(keccak256(fields)))',
    'keccak256(fields)',
  ),
  distributor(
    'function _prove(',
    'a proof leads to the root',
    'if (!LEDGER.isFinalRewardsRoot(epochId, _rootOf(proof, leaf))) revert InvalidProof();',
    'LEDGER.isFinalRewardsRoot(epochId, _rootOf(proof, leaf));',
  ),
  distributor('function _rootOf(', 'of two nodes the lower comes first', 'lt(root, sibling)', 'gt(root, sibling)'),
  distributor(
    'function _rootOf(',
    'every node of a proof counts',
    'let at := proof.offset',
    'let at := add(proof.offset, 32)',
  ),
  distributor(
    'function _whenNotPaused(',
    'paused is paused',
    'if (LEDGER.ledgerState().paused) revert ContributionLedger.PaymentsPaused();',
  ),
  distributor(
    'function _take(',
    'what arrives of a token is what is counted',
    'return IERC20(token).balanceOf(address(this)) - before;',
    'return before >= 0 ? amount : 0;',
  ),
  distributor('function _return(', 'there is something to return', 'if (amount == 0) revert NothingToPay();'),
  distributor('function _return(', 'what is returned comes off the pot', 'bounty.left -= uint96(amount);'),
  distributor('function _return(', 'what is returned is no longer funded', 'bounty.funded -= uint96(amount);'),
  distributor(
    'function _pay(',
    'a token that answers nothing pays',
    'IERC20(token).safeTransfer(to, amount)',
    'IERC20(token).transfer(to, amount)',
  ),
  distributor(
    'function _ownBounty(',
    'there is such a bounty',
    'if (bounty.sponsor == address(0)) revert UnknownBounty(id);',
  ),
  distributor(
    'function _ownBounty(',
    'only its sponsor prices and closes a bounty',
    'if (bounty.sponsor != msg.sender) revert NotSponsor(msg.sender);',
  ),
  distributor(
    'function _closedAt(',
    'only a closed bounty is returned',
    'if (closedAt == 0) revert BountyNotClosed(id);',
  ),
  {
    guard: 'only the treasurer mints',
    file: 'AttuneToken',
    at: 'function mint(',
    from: 'onlyRole(TREASURER_ROLE)',
    to: '',
  },
]

/** The source without the guard. @throws Error if the guard is not there once after `at` */
export function mutated(source: string, { guard, at, from, to }: Mutation): string {
  const start = source.indexOf(at)
  const place = source.indexOf(from, start)
  if (start < 0 || place < 0) throw new Error(`the guard "${guard}" is not where it was: look for ${from} after ${at}`)
  return source.slice(0, place) + to + source.slice(place + from.length)
}
