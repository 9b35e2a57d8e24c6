// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControlDefaultAdminRules} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Bonds} from "./Bonds.sol";
import {SingleRecords} from "./SingleRecords.sol";

/// @title ContributionLedger
/// @notice What people contributed to Attune's training runs, epoch by epoch: the root of a
/// tree over the epoch's contributions, the root of a tree over everything that accounts have
/// earned so far, and the hash of the manifest that both are recomputed from
/// (contracts/FORMAT.md). The cost of an epoch does not grow with its size.
///
/// An epoch is pending for its dispute window. In it anyone may dispute the epoch with a bond;
/// while a dispute is open nothing becomes final, and when the arbiter has decided it, what is
/// left has at least one full window again. An upheld dispute takes back its epoch and those
/// built on it; a final epoch stays.
contract ContributionLedger is SingleRecords, Bonds {
    /// @notice May decide an open dispute.
    bytes32 public constant ARBITER_ROLE = keccak256("ARBITER_ROLE");
    /// @notice The longest dispute window, in seconds.
    uint24 public constant MAX_DISPUTE_WINDOW = 30 days;

    enum EpochStatus {
        None,
        Pending,
        Final,
        Disputed
    }

    /// @dev The manifest hash keeps 20 bytes, as an address does; the event has all 32.
    struct Epoch {
        bytes32 contributionsRoot;
        bytes32 rewardsRoot;
        bytes20 manifestHash;
        uint32 count;
        uint32 submittedAt;
        uint32 finalAt;
    }

    /// @dev An epoch in three slots, each written once; all that a claim asks about is in the second.
    /// @param rewards The first 28 bytes of the rewards root, then finalAt.
    /// @param rest manifestHash, count and submittedAt from left to right, then the root's last 4 bytes.
    struct StoredEpoch {
        bytes32 contributionsRoot;
        uint256 rewards;
        uint256 rest;
    }

    /// @notice Where the ledger stands, in one slot; times in seconds since 1970.
    /// @param lastEpochId The newest epoch; ids are consecutive from 1, and 0 is none.
    /// @param disputedEpochId The epoch in dispute; 0 is none.
    /// @param disputeWindow Seconds that a new epoch stays pending.
    /// @param floor No later epoch is final sooner: what the window was when it was last set allows.
    /// @param frozenAt When a dispute last stopped the clock: what was final by then stays final.
    /// @param resumesAt When what that dispute held up may become final.
    /// @param rejections How many disputes were upheld.
    /// @param rejectedAt When the last of these was decided.
    /// @param paused Whether payments by this ledger are paused.
    struct State {
        uint32 lastEpochId;
        uint32 disputedEpochId;
        uint24 disputeWindow;
        uint32 floor;
        uint32 frozenAt;
        uint32 resumesAt;
        uint32 rejections;
        uint32 rejectedAt;
        bool paused;
    }

    struct Dispute {
        address disputer;
        uint96 bond;
    }

    /// @notice What a dispute costs until it is upheld, in wei.
    uint96 public disputeBond;
    /// @notice The open dispute; all zero where there is none.
    Dispute public openDispute;

    State private _state;
    mapping(uint256 epochId => StoredEpoch) private _epochs;

    /// @notice The hash commits to everything else, which is in {epochs} as well.
    event EpochSubmitted(uint256 indexed epochId, bytes32 indexed manifestHash);
    /// @param reason What is wrong, in words or as a link, for the arbiter to look at.
    event EpochDisputed(uint256 indexed epochId, address indexed disputer, uint256 bond, string reason);
    /// @notice An upheld dispute has taken back all epochs from `epochId` to `lastEpochId`.
    event DisputeResolved(uint256 indexed epochId, bool upheld, uint256 lastEpochId);
    event Paused(address by);
    event Unpaused(address by);
    event DisputeTermsSet(uint256 window, uint256 bond);

    error EpochOutOfOrder(uint256 expected, uint256 given);
    error EpochAlreadyRecorded(uint256 epochId);
    error EmptyEpoch(uint256 epochId);
    error EpochOutdated(uint256 rejections, uint256 given);
    error EpochNotFinal(uint256 epochId);
    error EpochNotPending(uint256 epochId);
    error DisputeOpen(uint256 epochId);
    error NoSuchDispute(uint256 epochId);
    error WrongBond(uint256 expected, uint256 given);
    error PaymentsPaused();
    error DisputeWindowTooLong(uint256 window);

    /// @param admin Holder of the admin role, handed over in two steps, `adminDelay` seconds apart.
    /// @param window Seconds that an epoch stays pending.
    /// @param bond What a dispute costs until it is upheld, in wei.
    constructor(
        address admin,
        address recorder,
        address arbiter,
        address treasurer,
        uint48 adminDelay,
        uint24 window,
        uint96 bond
    ) AccessControlDefaultAdminRules(adminDelay, admin) {
        _grantRole(RECORDER_ROLE, recorder);
        _grantRole(ARBITER_ROLE, arbiter);
        _grantRole(TREASURER_ROLE, treasurer);
        _setDisputeTerms(window, bond);
    }

    // ---------------------------------------------------------------- epochs

    /// @notice Records the next epoch. The same epoch again changes nothing, so a recorder that
    /// does not know whether it was heard may repeat itself; the id with other content reverts.
    /// @param rewardsRoot Zero while no account has earned anything.
    /// @param rejections How many upheld disputes the epoch was built after: one that was built
    /// before the last of them rests on what that took back.
    function submitEpoch(
        uint256 epochId,
        bytes32 contributionsRoot,
        bytes32 rewardsRoot,
        bytes32 manifestHash,
        uint32 count,
        uint32 rejections
    ) external onlyRole(RECORDER_ROLE) {
        StoredEpoch storage epoch = _epochs[epochId];
        // Read side by side, so that it is one read.
        uint256 last = _state.lastEpochId;
        uint256 window = _state.disputeWindow;
        uint256 floor = _state.floor;
        uint256 known = _state.rejections;
        uint256 content = (uint256(manifestHash) & ~uint256(type(uint96).max)) | (uint256(count) << 64);
        if (epochId != 0 && epochId <= last) {
            bool same = epoch.contributionsRoot == contributionsRoot &&
                _rewardsRoot(epoch) == rewardsRoot &&
                epoch.rest >> 64 == content >> 64;
            if (!same) revert EpochAlreadyRecorded(epochId);
            return;
        }
        if (epochId != last + 1) revert EpochOutOfOrder(last + 1, epochId);
        if (rejections != known) revert EpochOutdated(known, rejections);
        if (count == 0 || contributionsRoot == 0) revert EmptyEpoch(epochId);

        uint256 finalAt = block.timestamp + window;
        if (finalAt < floor) finalAt = floor;
        _state.lastEpochId = uint32(epochId);
        epoch.contributionsRoot = contributionsRoot;
        epoch.rewards = (uint256(rewardsRoot) & ~uint256(type(uint32).max)) | finalAt;
        epoch.rest = content | (block.timestamp << 32) | uint32(uint256(rewardsRoot));
        emit EpochSubmitted(epochId, manifestHash);
    }

    /// @notice Where the ledger stands.
    function ledgerState() external view returns (State memory) {
        return _state;
    }

    /// @notice The newest epoch; 0 before the first.
    function lastEpochId() external view returns (uint64) {
        return _state.lastEpochId;
    }

    /// @notice Seconds that a new epoch stays pending.
    function disputeWindow() external view returns (uint24) {
        return _state.disputeWindow;
    }

    /// @notice An epoch as recorded; all zero where there is none.
    /// @dev finalAt is what the window alone gives: see {epochStatus} for what disputes made of it.
    function epochs(uint256 epochId) external view returns (Epoch memory epoch) {
        if (epochId > _state.lastEpochId) return epoch;
        StoredEpoch storage stored = _epochs[epochId];
        uint256 rest = stored.rest;
        return
            Epoch(
                stored.contributionsRoot,
                _rewardsRoot(stored),
                bytes20(bytes32(rest)),
                uint32(rest >> 64),
                uint32(rest >> 32),
                uint32(stored.rewards)
            );
    }

    /// @notice Pending until its dispute window is over and no dispute holds it up, then final.
    function epochStatus(uint256 epochId) external view returns (EpochStatus) {
        State memory state = _state;
        if (epochId == 0 || epochId > state.lastEpochId) return EpochStatus.None;
        if (epochId == state.disputedEpochId) return EpochStatus.Disputed;
        return _isFinal(_epochs[epochId].rewards, state) ? EpochStatus.Final : EpochStatus.Pending;
    }

    /// @notice The newest final epoch; 0 before the first.
    function lastFinalEpochId() external view returns (uint256 low) {
        State memory state = _state;
        uint256 high = state.lastEpochId;
        // No epoch is final before an earlier one.
        while (low < high) {
            uint256 middle = (low + high + 1) / 2;
            if (_isFinal(_epochs[middle].rewards, state)) low = middle;
            else high = middle - 1;
        }
    }

    /// @notice The root of everything earned up to and with a final epoch. Reverts for any other,
    /// and for all while payments are paused.
    function finalRewardsRoot(uint256 epochId) external view returns (bytes32) {
        _payingRewards(epochId);
        return _rewardsRoot(_epochs[epochId]);
    }

    /// @notice Whether `root` is {finalRewardsRoot}, for those who pay by it; reverts as that does.
    /// @dev Compares the first 28 bytes, and so reads one slot less. To find a proof that leads to
    /// those is 2^224 hashes of work.
    function isFinalRewardsRoot(uint256 epochId, bytes32 root) external view returns (bool) {
        return _payingRewards(epochId) >> 32 == uint256(root) >> 32;
    }

    // -------------------------------------------------------------- disputes

    /// @notice Disputes an epoch that is not final yet, for a bond that is returned where the
    /// dispute is upheld. One dispute at a time; while it is open nothing becomes final.
    /// @param reason What is wrong, in words or as a link.
    function dispute(uint256 epochId, string calldata reason) external payable {
        State memory state = _state;
        if (state.disputedEpochId != 0) revert DisputeOpen(state.disputedEpochId);
        // There is no epoch 0, and its empty slot counts as final.
        if (epochId > state.lastEpochId || _isFinal(_epochs[epochId].rewards, state)) revert EpochNotPending(epochId);
        if (msg.value != disputeBond) revert WrongBond(disputeBond, msg.value);
        state.disputedEpochId = uint32(epochId);
        // Between a decision and resumesAt nothing has become final since the clock stopped before.
        if (block.timestamp >= state.resumesAt) state.frozenAt = uint32(block.timestamp);
        _state = state;
        openDispute = Dispute(msg.sender, uint96(msg.value));
        emit EpochDisputed(epochId, msg.sender, msg.value, reason);
    }

    /// @notice Decides the open dispute. Upheld, its epoch and all later ones are taken back and
    /// the bond is the disputer's again; dismissed, the bond is forfeited and all epochs stay.
    function resolve(uint256 epochId, bool upheld) external onlyRole(ARBITER_ROLE) {
        State memory state = _state;
        if (epochId == 0 || epochId != state.disputedEpochId) revert NoSuchDispute(epochId);
        Dispute memory decided = openDispute;
        delete openDispute;
        emit DisputeResolved(epochId, upheld, state.lastEpochId);
        state.disputedEpochId = 0;
        state.resumesAt = uint32(block.timestamp) + state.disputeWindow;
        if (upheld) {
            state.lastEpochId = uint32(epochId) - 1;
            state.rejections++;
            state.rejectedAt = uint32(block.timestamp);
            returnedBonds[decided.disputer] += decided.bond;
        } else {
            forfeitedBonds += decided.bond;
        }
        _state = state;
    }

    /// @notice Sets window and bond of later epochs and disputes; recorded epochs keep their window.
    function setDisputeTerms(uint24 window, uint96 bond) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setDisputeTerms(window, bond);
    }

    /// @notice Stops, or resumes, all payments by this ledger.
    function setPaused(bool paused) external onlyRole(TREASURER_ROLE) {
        _state.paused = paused;
        if (paused) emit Paused(msg.sender);
        else emit Unpaused(msg.sender);
    }

    // ---------------------------------------------------------------- proofs

    /// @notice Whether `leaf` is under an epoch's contributions root. A caller that has the
    /// contribution's fields asks {verifyRecord}: an inner node is under the root as well, and
    /// only the double hash of the fields tells a leaf from one.
    function verifyContribution(uint256 epochId, bytes32 leaf, bytes32[] calldata proof) public view returns (bool) {
        if (epochId > _state.lastEpochId) return false;
        bytes32 root = _epochs[epochId].contributionsRoot;
        return root != 0 && MerkleProof.verifyCalldata(proof, root, leaf);
    }

    /// @notice Whether a contribution of these fields was recorded by this ledger in this epoch.
    function verifyRecord(
        uint256 epochId,
        uint256 index,
        bytes32 session,
        bytes32 contributor,
        uint8 kind,
        uint256 credit,
        bytes32 recordHash,
        bytes32[] calldata proof
    ) external view returns (bool) {
        bytes32 leaf = leafOf(epochId, index, session, contributor, kind, credit, recordHash);
        return verifyContribution(epochId, leaf, proof);
    }

    /// @notice A contribution's leaf: bound to this chain, this ledger and the epoch.
    /// @param session keccak-256 of the session's id.
    function leafOf(
        uint256 epochId,
        uint256 index,
        bytes32 session,
        bytes32 contributor,
        uint8 kind,
        uint256 credit,
        bytes32 recordHash
    ) public view returns (bytes32) {
        bytes memory fields = abi.encode(
            block.chainid,
            address(this),
            epochId,
            index,
            session,
            contributor,
            kind,
            credit,
            recordHash
        );
        return keccak256(bytes.concat(keccak256(fields)));
    }

    // --------------------------------------------------------------- private

    /// @dev The `rewards` of a final epoch, while payments are not paused.
    function _payingRewards(uint256 epochId) private view returns (uint256 rewards) {
        // Read side by side, so that it is one read; in memory the whole State would cost a claim more.
        bool paused = _state.paused;
        uint256 last = _state.lastEpochId;
        uint256 disputed = _state.disputedEpochId;
        uint256 frozenAt = _state.frozenAt;
        uint256 resumesAt = _state.resumesAt;
        if (paused) revert PaymentsPaused();
        rewards = _epochs[epochId].rewards;
        if (epochId == 0 || epochId > last || !_isFinal(rewards, disputed, frozenAt, resumesAt)) {
            revert EpochNotFinal(epochId);
        }
    }

    function _isFinal(uint256 rewards, State memory state) private view returns (bool) {
        return _isFinal(rewards, state.disputedEpochId, state.frozenAt, state.resumesAt);
    }

    /// @dev The window is over, and no dispute came, or only after that, or it is decided and
    /// the time that a decision gives is over as well.
    function _isFinal(
        uint256 rewards,
        uint256 disputed,
        uint256 frozenAt,
        uint256 resumesAt
    ) private view returns (bool) {
        uint256 finalAt = uint32(rewards);
        if (block.timestamp < finalAt) return false;
        if (frozenAt == 0 || finalAt <= frozenAt) return true;
        return disputed == 0 && block.timestamp >= resumesAt;
    }

    function _rewardsRoot(StoredEpoch storage epoch) private view returns (bytes32) {
        return bytes32((epoch.rewards & ~uint256(type(uint32).max)) | uint32(epoch.rest));
    }

    function _setDisputeTerms(uint24 window, uint96 bond) private {
        if (window > MAX_DISPUTE_WINDOW) revert DisputeWindowTooLong(window);
        // A shorter window must not let an epoch overtake those before it.
        uint32 floor = uint32(block.timestamp) + _state.disputeWindow;
        if (floor > _state.floor) _state.floor = floor;
        _state.disputeWindow = window;
        disputeBond = bond;
        emit DisputeTermsSet(window, bond);
    }
}
