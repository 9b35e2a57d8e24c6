// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControlDefaultAdminRules} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";

/// @title SingleRecords
/// @notice The part of {ContributionLedger} for single records that do not wait for an epoch:
/// each is an event, and its credits are added up by contributor.
abstract contract SingleRecords is AccessControlDefaultAdminRules {
    /// @notice May submit epochs and single records.
    bytes32 public constant RECORDER_ROLE = keccak256("RECORDER_ROLE");
    /// @notice Credits of one vote that a training step used.
    uint256 public constant VOTE_CREDIT = 100;

    mapping(bytes32 contributor => uint256 credits) private _singleCredits;
    mapping(bytes32 feedback => bool) private _recorded;

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

    error FeedbackAlreadyRecorded(string feedbackId);
    error UnknownContributionType(uint8 contributionType);
    error ScoreOutOfRange(uint256 score);

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

    /// @notice The credit formula of contracts/ledger/epoch/credit.ts, in whole credits.
    function creditOf(uint8 contributionType, uint256 computeHours, uint256 qualityScore) public pure returns (uint256) {
        if (contributionType > 4) revert UnknownContributionType(contributionType);
        if (qualityScore > 10_000) revert ScoreOutOfRange(qualityScore);
        if (contributionType == 1) return VOTE_CREDIT;
        if (contributionType == 2 || contributionType == 4) return qualityScore / 100;
        return (computeHours * qualityScore) / 100_000;
    }
}
