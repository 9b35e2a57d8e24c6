// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControlDefaultAdminRules} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Bonds
/// @notice The part of {ContributionLedger} that pays out the bonds of decided disputes: to the
/// disputer where the dispute was upheld, and where it was dismissed to whom the treasurer names.
abstract contract Bonds is AccessControlDefaultAdminRules {
    /// @notice May pause what is paid by this ledger, and collect forfeited bonds.
    bytes32 public constant TREASURER_ROLE = keccak256("TREASURER_ROLE");

    /// @notice Bonds of dismissed disputes that the treasurer has not collected, in wei.
    uint256 public forfeitedBonds;
    /// @notice Bonds of upheld disputes that wait for their disputer, in wei.
    mapping(address disputer => uint256) public returnedBonds;

    event BondReturned(address indexed disputer, uint256 amount);
    event ForfeitedBondsCollected(address indexed to, uint256 amount);

    error NothingToPay();

    /// @notice Pays a disputer the bonds of upheld disputes, whoever sends this.
    function withdrawBonds(address payable disputer) external {
        uint256 amount = returnedBonds[disputer];
        if (amount == 0) revert NothingToPay();
        returnedBonds[disputer] = 0;
        emit BondReturned(disputer, amount);
        Address.sendValue(disputer, amount);
    }

    /// @notice Pays out the bonds of dismissed disputes.
    function collectForfeitedBonds(address payable to) external onlyRole(TREASURER_ROLE) {
        uint256 amount = forfeitedBonds;
        if (amount == 0) revert NothingToPay();
        forfeitedBonds = 0;
        emit ForfeitedBondsCollected(to, amount);
        Address.sendValue(to, amount);
    }
}
