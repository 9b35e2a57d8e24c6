// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ContributionLedger} from "./ContributionLedger.sol";

/// @title RewardDistributor
/// @notice Holds the bounties of training sessions and pays them out by the final epochs of a
/// {ContributionLedger}. A bounty is one sponsor's pot for one session in one token, and is its
/// own unit of account: a leaf of the rewards tree names the bounty that it is paid from, what
/// an account has earned from it so far, and no claim takes more than that pot holds. A root
/// that is wrong about one session therefore cannot touch another session's money.
///
/// Amounts are cumulative: a claim pays the difference to what was claimed before, so a proof
/// from an older final epoch, or the same one again, pays nothing twice.
///
/// Nobody holds a role here, and nobody can move money but by these rules; the ledger's
/// treasurer can pause them.
contract RewardDistributor is EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @notice The token of a bounty in the chain's own coin.
    address public constant NATIVE = address(0);
    /// @notice A closed bounty goes on earning for this long, in seconds.
    uint256 public constant NOTICE = 1 days;
    /// @notice What a closed bounty never owed is returned after this, in seconds.
    uint256 public constant REFUND_AFTER = 2 days;
    /// @notice All that is left of a closed bounty is returned after this, in seconds.
    uint256 public constant EXPIRES_AFTER = 365 days;

    bytes32 private constant CLAIM_TO =
        keccak256("ClaimTo(bytes32 bounty,address account,uint256 amount,address recipient,uint256 deadline)");

    /// @dev Three slots; a claim touches the first alone.
    /// @param token {NATIVE} or an ERC-20. @param left What the pot holds.
    /// @param sponsor Who funded it, and what is not spent returns to. @param closedAt 0 while open.
    /// @param funded Funded less refunded: `funded - left` was paid out.
    /// @param perCredit What one credit earns, in the token's smallest unit.
    /// @param since When it was first funded: no epoch before that names it.
    struct Bounty {
        address token;
        uint96 left;
        address sponsor;
        uint48 closedAt;
        uint96 funded;
        uint96 perCredit;
        uint48 since;
    }

    /// @notice What an account has earned from a bounty up to and with a final epoch, and the proof.
    struct Claim {
        uint256 epochId;
        bytes32 bounty;
        address account;
        uint256 amount;
        bytes32[] proof;
    }

    /// @notice Whose final epochs say what was earned.
    ContributionLedger public immutable LEDGER;

    /// @notice By {bountyOf}.
    mapping(bytes32 bounty => Bounty) public bounties;
    /// @notice What an account was paid from a bounty.
    mapping(bytes32 bounty => mapping(address account => uint256)) public claimed;

    /// @param amount What arrived, in the token's smallest unit.
    event BountyFunded(
        bytes32 indexed bounty,
        bytes32 indexed session,
        address indexed sponsor,
        address token,
        uint256 amount
    );
    event PriceSet(bytes32 indexed bounty, uint256 perCredit);
    event BountyClosed(bytes32 indexed bounty);
    event BountyRefunded(bytes32 indexed bounty, uint256 amount);
    event Claimed(bytes32 indexed bounty, address indexed account, uint256 amount);
    /// @notice Of the {Claimed} just before: paid not to the account but to whom it named.
    event Redirected(bytes32 indexed bounty, address indexed account, address recipient);

    error NothingFunded();
    error WrongValue(uint256 expected, uint256 given);
    error NotSponsor(address caller);
    error UnknownBounty(bytes32 bounty);
    error BountyNotClosed(bytes32 bounty);
    error TooEarly(uint256 opensAt);
    error EpochSuperseded(uint256 epochId);
    error InvalidProof();
    error NothingToPay();
    error PotTooSmall(uint256 left, uint256 due);
    error SignatureExpired(uint256 deadline);
    error InvalidSignature();

    constructor(ContributionLedger ledger) EIP712("Attune RewardDistributor", "1") {
        LEDGER = ledger;
    }

    // -------------------------------------------------------------- sponsors

    /// @notice Puts money into the sender's bounty for a session, and opens it where it is new
    /// or closed. Counts what arrives: a token that keeps a part of each transfer is counted
    /// without that part. A token whose balances change by themselves is not for this.
    /// @param session keccak-256 of the session's id.
    /// @param amount In the token's smallest unit; for the native coin the same as is sent along.
    /// @param perCredit What one credit earns from the next epoch on, in the same unit.
    function fund(
        bytes32 session,
        address token,
        uint256 amount,
        uint96 perCredit
    ) external payable nonReentrant returns (bytes32 id) {
        _whenNotPaused();
        if (msg.value != (token == NATIVE ? amount : 0)) revert WrongValue(token == NATIVE ? amount : 0, msg.value);
        uint96 arrived = _take(token, amount).toUint96();
        if (arrived == 0) revert NothingFunded();
        id = bountyOf(session, msg.sender, token);
        Bounty storage bounty = bounties[id];
        if (bounty.sponsor == address(0)) {
            bounty.sponsor = msg.sender;
            bounty.token = token;
            bounty.since = uint48(block.timestamp);
        }
        bounty.closedAt = 0;
        bounty.left += arrived;
        bounty.funded += arrived;
        emit BountyFunded(id, session, msg.sender, token, arrived);
        if (bounty.perCredit != perCredit) {
            bounty.perCredit = perCredit;
            emit PriceSet(id, perCredit);
        }
    }

    /// @notice Sets what one credit earns from the next epoch on.
    function setPrice(bytes32 id, uint96 perCredit) external {
        _ownBounty(id).perCredit = perCredit;
        emit PriceSet(id, perCredit);
    }

    /// @notice Closes the sender's bounty: it earns for {NOTICE} more, and what it never owed can
    /// be taken back {REFUND_AFTER} from now. Funding it opens it again.
    function close(bytes32 id) external {
        Bounty storage bounty = _ownBounty(id);
        if (bounty.closedAt != 0) return;
        bounty.closedAt = uint48(block.timestamp);
        emit BountyClosed(id);
    }

    /// @notice Returns to its sponsor what a closed bounty never owed, whoever sends this.
    /// @param epochId The last epoch that may have earned from it, or a later one; final. Where no
    /// epoch came since it was first funded, the last one there is, or 0.
    /// @param allocated What all people together have earned from it, by that epoch.
    /// @param proof Empty where nothing was earned because no epoch came.
    function refund(
        bytes32 id,
        uint256 epochId,
        uint256 allocated,
        bytes32[] calldata proof
    ) external returns (uint256 amount) {
        Bounty storage bounty = bounties[id];
        ContributionLedger.State memory ledger = LEDGER.ledgerState();
        uint256 opensAt = _closedAt(id, bounty) + REFUND_AFTER;
        // Epochs that a dispute took back are recorded anew, and may earn as long again.
        if (ledger.rejectedAt + REFUND_AFTER > opensAt) opensAt = ledger.rejectedAt + REFUND_AFTER;
        if (block.timestamp < opensAt) revert TooEarly(opensAt);
        uint256 next = LEDGER.epochs(epochId + 1).submittedAt;
        if (next != 0 && next < opensAt) revert EpochSuperseded(epochId);
        bool noneCame = epochId == ledger.lastEpochId && LEDGER.epochs(epochId).submittedAt < bounty.since;
        if (noneCame && allocated == 0) _whenNotPaused();
        else _prove(epochId, abi.encode(block.chainid, address(LEDGER), epochId, id, allocated), proof);
        if (allocated >= bounty.funded) revert NothingToPay();
        amount = bounty.funded - allocated;
        if (amount > bounty.left) amount = bounty.left;
        _return(id, bounty, amount);
    }

    /// @notice Returns to its sponsor all that is left of a bounty that was closed a year ago.
    function expire(bytes32 id) external returns (uint256 amount) {
        _whenNotPaused();
        Bounty storage bounty = bounties[id];
        uint256 opensAt = _closedAt(id, bounty) + EXPIRES_AFTER;
        if (block.timestamp < opensAt) revert TooEarly(opensAt);
        amount = bounty.left;
        _return(id, bounty, amount);
    }

    // ---------------------------------------------------------------- claims

    /// @notice Pays an account what it has earned from a bounty and was not paid yet, whoever sends this.
    /// @param epochId A final epoch. @param amount What the account has earned up to and with it.
    function claim(
        uint256 epochId,
        bytes32 bounty,
        address account,
        uint256 amount,
        bytes32[] calldata proof
    ) external returns (uint256) {
        return _claim(epochId, bounty, account, amount, proof, account);
    }

    /// @notice Several claims in one transaction: all are paid or none.
    function claimMany(Claim[] calldata claims) external {
        for (uint256 i = 0; i < claims.length; i++) {
            Claim calldata c = claims[i];
            _claim(c.epochId, c.bounty, c.account, c.amount, c.proof, c.account);
        }
    }

    /// @notice Pays a claim to another recipient, which the account sends itself or has signed
    /// for anyone to send (EIP-712; a contract account answers by ERC-1271). The signature
    /// needs no nonce: its amount can be paid once.
    /// @param deadline The last second in which the signature counts.
    function claimTo(
        Claim calldata c,
        address recipient,
        uint256 deadline,
        bytes calldata signature
    ) external returns (uint256) {
        if (msg.sender != c.account) {
            if (block.timestamp > deadline) revert SignatureExpired(deadline);
            bytes32 digest = _hashTypedDataV4(
                keccak256(abi.encode(CLAIM_TO, c.bounty, c.account, c.amount, recipient, deadline))
            );
            if (!SignatureChecker.isValidSignatureNow(c.account, digest, signature)) revert InvalidSignature();
        }
        return _claim(c.epochId, c.bounty, c.account, c.amount, c.proof, recipient);
    }

    // ----------------------------------------------------------------- views

    /// @notice The id of a sponsor's bounty for a session in a token: of this chain and contract alone.
    function bountyOf(bytes32 session, address sponsor, address token) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), session, sponsor, token));
    }

    // --------------------------------------------------------------- private

    function _claim(
        uint256 epochId,
        bytes32 id,
        address account,
        uint256 amount,
        bytes32[] calldata proof,
        address recipient
    ) private returns (uint256 due) {
        _prove(epochId, abi.encode(block.chainid, address(LEDGER), epochId, id, account, amount), proof);
        mapping(address => uint256) storage paid = claimed[id];
        uint256 before = paid[account];
        if (amount <= before) revert NothingToPay();
        due = amount - before;
        Bounty storage bounty = bounties[id];
        (address token, uint256 left) = (bounty.token, bounty.left);
        if (due > left) revert PotTooSmall(left, due);
        // Before the transfer: who is paid may call back.
        paid[account] = amount;
        bounty.left = uint96(left - due);
        emit Claimed(id, account, due);
        if (recipient != account) emit Redirected(id, account, recipient);
        _pay(token, recipient, due);
    }

    /// @dev That a final epoch has a leaf of these fields. Hashed twice: no inner node is a leaf.
    function _prove(uint256 epochId, bytes memory fields, bytes32[] calldata proof) private view {
        bytes32 leaf = keccak256(bytes.concat(keccak256(fields)));
        if (!LEDGER.isFinalRewardsRoot(epochId, _rootOf(proof, leaf))) revert InvalidProof();
    }

    /// @dev OpenZeppelin's MerkleProof.processProofCalldata, at 130 gas a level less.
    function _rootOf(bytes32[] calldata proof, bytes32 leaf) private pure returns (bytes32 root) {
        root = leaf;
        assembly ("memory-safe") {
            let end := add(proof.offset, shl(5, proof.length))
            for {
                let at := proof.offset
            } lt(at, end) {
                at := add(at, 32)
            } {
                let sibling := calldataload(at)
                // Of two nodes the lower comes first, in the two words of scratch space.
                let place := shl(5, lt(root, sibling))
                mstore(place, sibling)
                mstore(xor(place, 32), root)
                root := keccak256(0, 64)
            }
        }
    }

    function _whenNotPaused() private view {
        if (LEDGER.ledgerState().paused) revert ContributionLedger.PaymentsPaused();
    }

    /// @dev Takes an amount from the sender and says how much of it arrived. A token that calls
    /// back must not be able to fund in between: what then arrives would be counted twice.
    function _take(address token, uint256 amount) private returns (uint256) {
        if (token == NATIVE) return amount;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        return IERC20(token).balanceOf(address(this)) - before;
    }

    function _return(bytes32 id, Bounty storage bounty, uint256 amount) private {
        if (amount == 0) revert NothingToPay();
        bounty.left -= uint96(amount);
        bounty.funded -= uint96(amount);
        emit BountyRefunded(id, amount);
        // After the books: who is paid may call back.
        _pay(bounty.token, bounty.sponsor, amount);
    }

    function _pay(address token, address to, uint256 amount) private {
        if (token == NATIVE) Address.sendValue(payable(to), amount);
        else IERC20(token).safeTransfer(to, amount);
    }

    function _ownBounty(bytes32 id) private view returns (Bounty storage bounty) {
        bounty = bounties[id];
        if (bounty.sponsor == address(0)) revert UnknownBounty(id);
        if (bounty.sponsor != msg.sender) revert NotSponsor(msg.sender);
    }

    function _closedAt(bytes32 id, Bounty storage bounty) private view returns (uint256 closedAt) {
        closedAt = bounty.closedAt;
        if (closedAt == 0) revert BountyNotClosed(id);
    }
}
