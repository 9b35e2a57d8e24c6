// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControlDefaultAdminRules} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title ContributionLedger
/// @notice What people contributed to Attune's training runs, epoch by epoch: the root of a
/// tree over the epoch's contributions, the root of a tree over every account's cumulative
/// points, and the hash of the manifest that both are recomputed from (contracts/FORMAT.md).
/// An epoch is pending for its dispute window, then final. Its cost does not grow with its size.
contract ContributionLedger is AccessControlDefaultAdminRules {
    /// @notice May submit epochs and single records.
    bytes32 public constant RECORDER_ROLE = keccak256("RECORDER_ROLE");
    /// @notice The longest dispute window, in seconds.
    uint32 public constant MAX_DISPUTE_WINDOW = 30 days;
    /// @notice Credits of one vote that a training step used.
    uint256 public constant VOTE_CREDIT = 100;

    /// @notice Later states are appended; these keep their numbers.
    enum EpochStatus {
        None,
        Pending,
        Final
    }

    /// @dev Three slots: the manifest hash keeps 20 bytes, as an address does; the event has all 32.
    struct Epoch {
        bytes32 contributionsRoot;
        bytes32 rewardsRoot;
        bytes20 manifestHash;
        uint32 count;
        uint32 submittedAt;
        uint32 finalAt;
    }

    /// @notice Seconds that a new epoch stays pending.
    uint32 public disputeWindow;
    /// @notice The newest epoch; ids are consecutive from 1, and 0 is none.
    uint64 public lastEpochId;

    mapping(uint256 epochId => Epoch) private _epochs;
    mapping(bytes32 contributor => uint256 credits) private _singleCredits;
    mapping(bytes32 feedback => bool) private _recorded;

    /// @notice The rest, count and times, is in {epochs}.
    event EpochSubmitted(
        uint256 indexed epochId,
        bytes32 contributionsRoot,
        bytes32 rewardsRoot,
        bytes32 manifestHash
    );
    event DisputeWindowSet(uint256 window);
    event ContributionRecorded(
        bytes32 indexed session,
        bytes32 indexed contributor,
        bytes32 model,
        uint8 contributionType,
        uint256 computeHours,
        uint256 qualityScore,
        uint256 credit
    );
    event FeedbackRecorded(
        bytes32 indexed session,
        bytes32 indexed contributor,
        bytes32 indexed feedback,
        uint256 rating,
        uint256 compassionScore,
        uint256 credit
    );

    error EpochOutOfOrder(uint256 expected, uint256 given);
    error EpochAlreadyRecorded(uint256 epochId);
    error EmptyEpoch(uint256 epochId);
    error DisputeWindowTooLong(uint256 window);
    error FeedbackAlreadyRecorded(string feedbackId);
    error UnknownContributionType(uint8 contributionType);
    error ScoreOutOfRange(uint256 score);

    /// @param admin Holder of the admin role, handed over in two steps, `adminDelay` seconds apart.
    /// @param recorder First holder of RECORDER_ROLE.
    /// @param window Seconds that an epoch stays pending.
    constructor(
        address admin,
        address recorder,
        uint48 adminDelay,
        uint32 window
    ) AccessControlDefaultAdminRules(adminDelay, admin) {
        _grantRole(RECORDER_ROLE, recorder);
        _setDisputeWindow(window);
    }

    // ---------------------------------------------------------------- epochs

    /// @notice Records the next epoch. The same epoch again changes nothing, so a recorder that
    /// does not know whether it was heard may repeat itself; the id with other content reverts.
    /// @param rewardsRoot Zero while no account has points.
    function submitEpoch(
        uint256 epochId,
        bytes32 contributionsRoot,
        bytes32 rewardsRoot,
        bytes32 manifestHash,
        uint32 count
    ) external onlyRole(RECORDER_ROLE) {
        Epoch storage epoch = _epochs[epochId];
        uint256 last = lastEpochId;
        if (epochId != 0 && epochId <= last) {
            bool same = epoch.contributionsRoot == contributionsRoot &&
                epoch.rewardsRoot == rewardsRoot &&
                epoch.manifestHash == bytes20(manifestHash) &&
                epoch.count == count;
            if (!same) revert EpochAlreadyRecorded(epochId);
            return;
        }
        if (epochId != last + 1) revert EpochOutOfOrder(last + 1, epochId);
        if (count == 0 || contributionsRoot == 0) revert EmptyEpoch(epochId);

        uint32 finalAt = uint32(block.timestamp) + disputeWindow;
        lastEpochId = uint64(epochId);
        epoch.contributionsRoot = contributionsRoot;
        epoch.rewardsRoot = rewardsRoot;
        epoch.manifestHash = bytes20(manifestHash);
        epoch.count = count;
        epoch.submittedAt = uint32(block.timestamp);
        epoch.finalAt = finalAt;
        emit EpochSubmitted(epochId, contributionsRoot, rewardsRoot, manifestHash);
    }

    /// @notice An epoch as recorded; all zero where there is none.
    function epochs(uint256 epochId) external view returns (Epoch memory) {
        return _epochs[epochId];
    }

    /// @notice Pending until its dispute window is over, then final.
    function epochStatus(uint256 epochId) external view returns (EpochStatus) {
        uint256 finalAt = _epochs[epochId].finalAt;
        if (finalAt == 0) return EpochStatus.None;
        return block.timestamp < finalAt ? EpochStatus.Pending : EpochStatus.Final;
    }

    /// @notice Sets the dispute window of later epochs; recorded ones keep theirs.
    function setDisputeWindow(uint32 window) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setDisputeWindow(window);
    }

    // ---------------------------------------------------------------- proofs

    /// @notice Whether `leaf` is under an epoch's contributions root. A caller that has the
    /// contribution's fields asks {verifyRecord}: an inner node is under the root as well, and
    /// only the double hash of the fields tells a leaf from one.
    function verifyContribution(uint256 epochId, bytes32 leaf, bytes32[] calldata proof) public view returns (bool) {
        bytes32 root = _epochs[epochId].contributionsRoot;
        return root != 0 && MerkleProof.verifyCalldata(proof, root, leaf);
    }

    /// @notice Whether a contribution of these fields was recorded by this ledger in this epoch.
    function verifyRecord(
        uint256 epochId,
        uint256 index,
        bytes32 contributor,
        uint8 kind,
        uint256 credit,
        bytes32 recordHash,
        bytes32[] calldata proof
    ) external view returns (bool) {
        return verifyContribution(epochId, leafOf(epochId, index, contributor, kind, credit, recordHash), proof);
    }

    /// @notice A contribution's leaf: bound to this chain, this ledger and the epoch.
    function leafOf(
        uint256 epochId,
        uint256 index,
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
            contributor,
            kind,
            credit,
            recordHash
        );
        return keccak256(bytes.concat(keccak256(fields)));
    }

    // --------------------------------------- single records that do not wait

    /// @notice Records one contribution by itself. Its ids become public: pass commitments, never
    /// names, and leave the record out of the epochs.
    /// @param contributionType 0 training, 1 feedback, 2 validation, 3 compute, 4 data.
    /// @param computeHours In thousandths of an hour.
    /// @param qualityScore In 1/10,000.
    function recordContribution(
        string calldata sessionId,
        string calldata modelId,
        string calldata contributorId,
        uint8 contributionType,
        uint256 computeHours,
        uint256 qualityScore
    ) external onlyRole(RECORDER_ROLE) {
        uint256 credit = creditOf(contributionType, computeHours, qualityScore);
        bytes32 contributor = keccak256(bytes(contributorId));
        _singleCredits[contributor] += credit;
        emit ContributionRecorded(
            keccak256(bytes(sessionId)),
            contributor,
            keccak256(bytes(modelId)),
            contributionType,
            computeHours,
            qualityScore,
            credit
        );
    }

    /// @notice Records one vote that a step has used, once.
    /// @param rating 1 to 10. @param compassionScore In 1/10,000.
    function recordFeedback(
        string calldata sessionId,
        string calldata feedbackId,
        string calldata userId,
        uint256 rating,
        uint256 compassionScore
    ) external onlyRole(RECORDER_ROLE) {
        if (rating < 1 || rating > 10) revert ScoreOutOfRange(rating);
        if (compassionScore > 10_000) revert ScoreOutOfRange(compassionScore);
        bytes32 feedback = keccak256(bytes(feedbackId));
        if (_recorded[feedback]) revert FeedbackAlreadyRecorded(feedbackId);
        _recorded[feedback] = true;
        bytes32 contributor = keccak256(bytes(userId));
        _singleCredits[contributor] += VOTE_CREDIT;
        emit FeedbackRecorded(
            keccak256(bytes(sessionId)),
            contributor,
            feedback,
            rating,
            compassionScore,
            VOTE_CREDIT
        );
    }

    /// @notice Credits of a contributor's single records. Those of the epochs are in their manifests.
    function getContributorRewards(string calldata contributorId) external view returns (uint256) {
        return _singleCredits[keccak256(bytes(contributorId))];
    }

    /// @notice The credit formula of contracts/credit.ts, in whole credits.
    function creditOf(uint8 contributionType, uint256 computeHours, uint256 qualityScore) public pure returns (uint256) {
        if (contributionType > 4) revert UnknownContributionType(contributionType);
        if (qualityScore > 10_000) revert ScoreOutOfRange(qualityScore);
        if (contributionType == 1) return VOTE_CREDIT;
        if (contributionType == 2 || contributionType == 4) return qualityScore / 100;
        return (computeHours * qualityScore) / 100_000;
    }

    function _setDisputeWindow(uint32 window) private {
        if (window > MAX_DISPUTE_WINDOW) revert DisputeWindowTooLong(window);
        disputeWindow = window;
        emit DisputeWindowSet(window);
    }
}
