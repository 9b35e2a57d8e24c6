// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControlDefaultAdminRules} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Capped} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title AttuneToken
/// @notice A token for bounties, for those who want one of their own: ERC-20 with permit, and a
/// cap that nobody can raise. Nothing in Attune needs it; any ERC-20 or the native coin will do.
contract AttuneToken is AccessControlDefaultAdminRules, ERC20Capped, ERC20Permit {
    /// @notice May mint, up to the cap.
    bytes32 public constant TREASURER_ROLE = keccak256("TREASURER_ROLE");

    /// @param supplyCap The most that can ever exist, in 10^-18 tokens.
    constructor(
        uint256 supplyCap,
        address admin,
        address treasurer,
        uint48 adminDelay
    )
        AccessControlDefaultAdminRules(adminDelay, admin)
        ERC20("Attune", "ATTUNE")
        ERC20Capped(supplyCap)
        ERC20Permit("Attune")
    {
        _grantRole(TREASURER_ROLE, treasurer);
    }

    /// @notice Makes new tokens, up to the cap.
    function mint(address to, uint256 amount) external onlyRole(TREASURER_ROLE) {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override(ERC20, ERC20Capped) {
        super._update(from, to, amount);
    }
}
